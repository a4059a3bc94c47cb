"""Long files, a line for each event, as events by the names of MEDS, in bounded memory.

batches     the file, a few megabytes at a time
columns     which columns are whose, when, what and how much: --map
cells       texts, ids and numbers of a batch;  times: its dates, and what counts from a subject's start
rows        a batch as events; what is left out is counted
by_subject  events sorted by subject and time, however many
read        all of it
"""

from jaxehr.data.events.read import events_by_subject as events_by_subject
from jaxehr.data.events.read import read_events as read_events
