-- One row per conversation of the account.
select
    conversation_id,
    message_count,
    session_count
from conversations
where channel_account = $account_id
