-- One row per segment that a load has dealt with.

select
    path,
    rows,
    status,
    reason
from segments
order by path
