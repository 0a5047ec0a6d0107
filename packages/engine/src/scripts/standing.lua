-- Of a page of overdue videos: whose reminder is there, neither lost nor finished. Those are put off, all at once.
-- KEYS 1 due  2... the reminder of each, BullMQ's HASH
-- ARGV for each: id, when it was due as it was read, when it is due then, ms
-- Returns the numbers of those without one. Of those whose due time changed since they were read, nothing is said.
local ids = {}
for arg = 1, #ARGV, 3 do ids[#ids + 1] = ARGV[arg] end
local due = redis.call('ZMSCORE', KEYS[1], unpack(ids))
local lost, later = {}, {}
for number, id in ipairs(ids) do
  local arg = (number - 1) * 3
  if tonumber(due[number] or '') == tonumber(ARGV[arg + 2]) then
    -- Where somebody put something else under its key, that is in the way of a new one too.
    local job = redis.pcall('HMGET', KEYS[number + 1], 'timestamp', 'finishedOn')
    if not job.err and (not job[1] or job[2]) then
      lost[#lost + 1] = number
    else
      later[#later + 1] = ARGV[arg + 3]
      later[#later + 1] = id
    end
  end
end
if #later > 0 then redis.call('ZADD', KEYS[1], 'XX', unpack(later)) end
return lost
