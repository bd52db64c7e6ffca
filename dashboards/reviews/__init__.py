"""The page of QA reviews: samples, reviews, disputes, agreement and scores."""
