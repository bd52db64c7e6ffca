"""Texts of a shop's support: topics, questions and answers.

Texts are templates; `DETAILS` names the values that a conversation fills in. A language need not have
every topic: its speakers ask about the topics that it has.
"""

from dataclasses import dataclass

DETAILS = ("order", "amount", "city", "street", "day", "product", "name")


@dataclass(frozen=True)
class Topic:
    """A demand. `handoff` is its share of handoffs, `tool` the bot's tool call for it."""

    intent: str
    share: float
    handoff: float
    queue: str
    tool: str | None = None


TOPICS = (
    Topic("delivery_status", 0.24, 0.10, "orders", "track_parcel"),
    Topic("refund", 0.13, 0.28, "billing", "find_order"),
    Topic("login", 0.12, 0.13, "accounts"),
    Topic("invoice", 0.10, 0.12, "billing", "find_invoice"),
    Topic("address_change", 0.10, 0.16, "orders", "find_order"),
    Topic("product_question", 0.11, 0.14, "sales", "search_catalog"),
    Topic("cancellation", 0.08, 0.24, "orders", "find_order"),
    Topic("damaged_item", 0.06, 0.48, "complaints", "find_order"),
    Topic("payment_failed", 0.06, 0.30, "billing", "find_payment"),
)


@dataclass(frozen=True)
class Lines:
    """One topic in one language; each entry is one way to say it."""

    openings: tuple[str, ...]
    questions: tuple[str, ...]
    details: tuple[str, ...]
    solutions: tuple[str, ...]


@dataclass(frozen=True)
class Phrases:
    """Phrases for every topic."""

    fallbacks: tuple[str, ...]
    wants_human: tuple[str, ...]
    hands_over: tuple[str, ...]
    nobody_free: tuple[str, ...]
    agent_hellos: tuple[str, ...]
    agent_checks: tuple[str, ...]
    answers: tuple[str, ...]
    thanks: tuple[str, ...]
    goodbyes: tuple[str, ...]
    not_solved: tuple[str, ...]


@dataclass(frozen=True)
class Language:
    """A language: its phrases and its topics. `share` is its share of customers."""

    code: str
    share: float
    phrases: Phrases
    lines: dict[str, Lines]


EMOJI = (" 🙂", " 🙏", " 📦", " 😕", " 👍", " 😅", " ❤️", " 🤔", "!!", " …")

ENGLISH = Language(
    code="en",
    share=0.80,
    phrases=Phrases(
        fallbacks=(
            "Sorry, I did not get that. Could you say it in other words?",
            "I am not sure I understand. Is it about an order, a payment or your account?",
            "Hm, I cannot follow. Please try one short sentence.",
        ),
        wants_human=(
            "Can I talk to a person please",
            "I want to speak to a real human.",
            "agent",
            "This is going nowhere, please get me somebody",
            "Is there anyone I can chat with?",
        ),
        hands_over=(
            "I am handing you over to a colleague. One moment, please.",
            "A colleague can help you better with this. I am asking for one.",
            "Let me find a person for you. You do not need to repeat anything.",
        ),
        nobody_free=(
            "Nobody is free right now, sorry. We will write to you as soon as somebody is.",
            "All colleagues are busy. I have noted your question, you will hear from us.",
        ),
        agent_hellos=(
            "Hi {name}, I have read what you wrote so far. Let me look into it.",
            "Hello {name}, I am taking over from here.",
            "Good day {name}! I see it is about order {order}, is that right?",
            "Hi, thanks for waiting. Give me a moment to read.",
        ),
        agent_checks=(
            "I have it open here. It was booked on {day}, correct?",
            "Just checking with the warehouse in {city}.",
            "Could you confirm the amount of {amount}?",
            "I see what went wrong. One more minute please.",
            "That is odd. I have asked the team, they answer quickly.",
        ),
        answers=(
            "Yes, exactly",
            "ok",
            "Yes that's right, {order}",
            "sure, take your time",
            "I think so. It was on {day}.",
            "Okay, and how long will that take?",
        ),
        thanks=(
            "Great, thank you!",
            "thanks",
            "Perfect, that solved it.",
            "Thank you so much, very helpful",
            "ok thx",
            "Wonderful, have a nice day!",
        ),
        goodbyes=(
            "Happy to help. Have a good day!",
            "You are welcome. Write again whenever you like.",
            "Glad it worked out!",
        ),
        not_solved=(
            "Hi again, it is still not solved.",
            "Sorry but it happened again",
            "I was told this was done, but nothing changed?",
            "Any news on this?",
        ),
    ),
    lines={
        "delivery_status": Lines(
            openings=(
                "Where is my order {order}?",
                "Hi, my parcel should have arrived on {day} and it has not",
                "tracking says delivered but there is nothing here",
                "When will {order} be delivered to {city}?",
                "still waiting for my {product}…",
            ),
            questions=(
                "I can look that up. What is your order number?",
                "Let me check. Which order is it about?",
            ),
            details=("{order}", "It is {order}", "order {order}, the {product}"),
            solutions=(
                "Order {order} left our warehouse in {city} and should arrive on {day}.",
                "Your parcel is at the pick-up point in {street}, {city}. You can get it until {day}.",
                "The carrier had a delay. New date for {order}: {day}. Sorry about that!",
            ),
        ),
        "refund": Lines(
            openings=(
                "I sent the {product} back and have no money yet",
                "When do I get my refund of {amount}?",
                "refund for {order} please",
                "Hello, I would like to return my {product} and have the money back.",
            ),
            questions=(
                "I am sorry it did not fit. Which order is the refund for?",
                "Refunds take up to five working days. When did you send it back?",
            ),
            details=("On {day}", "{order}, sent back on {day}", "The {product}, {amount}"),
            solutions=(
                "We received it on {day}. {amount} is on the way to your account.",
                "Your refund of {amount} for {order} is booked. Banks need two to three days.",
            ),
        ),
        "login": Lines(
            openings=(
                "I can't log in",
                "It says my password is wrong but it is not",
                "the reset mail never comes",
                "My account is locked, can you help?",
            ),
            questions=(
                "Let us get you back in. Do you see an error message?",
                "Have you tried to reset your password?",
            ),
            details=(
                "yes, twice",
                "It says 'account locked'",
                "No message, the page just loads again",
            ),
            solutions=(
                "I have unlocked your account. Please try again with a new password.",
                "A new reset link is on its way. It is valid for 30 minutes.",
                "Please delete the cookies of our page once, then it should work.",
            ),
        ),
        "invoice": Lines(
            openings=(
                "I need an invoice for {order}",
                "Could you send me the invoice again, with VAT please?",
                "wrong company name on my invoice",
                "where can I download my invoices",
            ),
            questions=(
                "Gladly. Which order do you need it for?",
                "Is it for order {order}?",
            ),
            details=("{order}", "Yes", "For {order}, {amount}"),
            solutions=(
                "The invoice for {order} over {amount} is in your mailbox now.",
                "You find it under Account, Orders, {order}, Invoice.",
            ),
        ),
        "address_change": Lines(
            openings=(
                "I moved! How do I change my address?",
                "Please send {order} to {street}, {city} instead",
                "I typed the wrong house number in my order",
                "can I still change the delivery address",
            ),
            questions=(
                "Yes, as long as it has not left. What is the new address?",
                "Let me see. Which order, and where should it go?",
            ),
            details=("{street}, {city}", "{order} to {street} in {city} please"),
            solutions=(
                "Done: {order} goes to {street}, {city}.",
                "I changed your address to {street}, {city}, for later orders too.",
            ),
        ),
        "product_question": Lines(
            openings=(
                "Does the {product} come in other colors?",
                "Is the {product} in stock in {city}?",
                "what is the difference between the {product} and the cheaper one?",
                "Hi! Can I put the {product} in the dishwasher?",
            ),
            questions=(
                "Good question. What do you want to use it for?",
                "Let me look at the {product}. Anything that matters most to you?",
            ),
            details=("For every day", "It is a present for {day}", "The color, mostly"),
            solutions=(
                "The {product} is in stock and costs {amount}. It ships within a day.",
                "Yes, it does. You find all of it on the page of the {product}.",
                "For that I would take the larger one. It costs {amount}.",
            ),
        ),
        "cancellation": Lines(
            openings=(
                "I want to cancel {order}",
                "ordered twice by mistake, please cancel one",
                "Cancel my subscription please.",
                "Can I still stop my order from {day}?",
            ),
            questions=(
                "I can check that. May I ask why?",
                "Which order shall I cancel?",
            ),
            details=("Ordered the wrong one", "{order}", "found it cheaper, sorry"),
            solutions=(
                "{order} is canceled. You get {amount} back within three days.",
                "It is canceled, and nothing will be charged.",
            ),
        ),
        "damaged_item": Lines(
            openings=(
                "The {product} arrived broken 😡",
                "My {product} has a crack, this is the second time!",
                "parcel was open and half of it is missing",
            ),
            questions=(
                "I am very sorry. Which order is it, and what is damaged?",
                "That should not happen. Can you describe the damage?",
            ),
            details=("The lid is broken", "{order}, the {product}", "It came like that on {day}"),
            solutions=(
                "A new {product} is on its way to {city}. No need to send the old one back.",
                "We refund {amount} for the damage. I am sorry for the trouble.",
            ),
        ),
        "payment_failed": Lines(
            openings=(
                "My card was declined but the money is gone",
                "payment failed 3 times now",
                "I was charged twice, {amount} each",
                "Can I pay {order} by bank transfer instead?",
            ),
            questions=(
                "Let me look at the payment. Which order is it for?",
                "What does the page say when it fails?",
            ),
            details=("{order}", "Just 'error 51'", "It was on {day}, {amount}"),
            solutions=(
                "The first payment was only reserved. Your bank frees the {amount} by {day}.",
                "I sent you a new payment link for {order}. It takes cards and transfers.",
            ),
        ),
    },
)
