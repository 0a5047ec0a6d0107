-- Takes a batch from one state to another, once: compare-and-set on its state.
-- KEYS 1 batch  2 events  3 open batches
-- ARGV 1 id  2 project  3 states that it may be in, joined by ' '  4 the one it gets  5 now, ms
--      6 longest length of the event stream  7 type of the event or ''  8 'open' | 'over' | ''
--      9 how many fields are taken away, these fields, then fields and values to set
-- Returns 1 if it went, 0 if it is in another state.
local state = redis.call('HGET', KEYS[1], 'state')
if not state or not string.find(' ' .. ARGV[3] .. ' ', ' ' .. state .. ' ', 1, true) then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[4], 'updatedAt', ARGV[5])
local gone = tonumber(ARGV[9])
for at = 10, 9 + gone do redis.call('HDEL', KEYS[1], ARGV[at]) end
for at = 10 + gone, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
if ARGV[8] == 'open' then redis.call('SADD', KEYS[3], ARGV[1]) end
if ARGV[8] == 'over' then redis.call('SREM', KEYS[3], ARGV[1]) end
if ARGV[7] ~= '' then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*',
    'project', ARGV[2], 'type', ARGV[7], 'subject', ARGV[1], 'at', ARGV[5])
end
return 1
