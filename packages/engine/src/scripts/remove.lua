-- Takes a video out of the ledger, if its record still is what was looked at. Who owned its task stays known: the task
-- must never be taken for another video's.
-- KEYS 1 record  2 all videos  3 status index  4 due  5 events  6 alarms  7 evidence  8 those that wait in its lane
--      9 trash  10 what is gone of money  11 renders of the project  12 its batch  13 the pool that it waits in
--      14 clips that have ended (12 to 14: the record again where it is no batch's)
-- ARGV 1 id  2 version it must have  3 project  4 now, ms  5 longest length of the event stream
--      6 its files' keys as a JSON list  7 its money as a JSON list of {'scope account', micro-USD}
--      8 its render key or ''  9 its status  10 its number in its batch or ''  11 1 where it had not ended
--      12 `batch number` or ''  13 1 where it waited in a lane
-- Returns {'removed', event id} | {'changed'} | {'missing'}
local head = redis.call('GETRANGE', KEYS[1], 0, 15)
if head == '' then return { 'missing' } end
if string.match(head, '^(%d+) ') ~= ARGV[2] then return { 'changed' } end
redis.call('DEL', KEYS[1], KEYS[7])
for _, index in ipairs({ KEYS[2], KEYS[3], KEYS[4], KEYS[6], KEYS[8] }) do redis.call('ZREM', index, ARGV[1]) end
if ARGV[6] ~= '[]' then redis.call('HSET', KEYS[9], ARGV[1], ARGV[6]) end
for _, amount in ipairs(cjson.decode(ARGV[7])) do
  redis.call('HINCRBY', KEYS[10], amount[1], string.format('%.0f', amount[2]))
end
if ARGV[8] ~= '' and redis.call('HGET', KEYS[11], ARGV[8]) == ARGV[1] then redis.call('HDEL', KEYS[11], ARGV[8]) end
if ARGV[10] ~= '' then
  redis.call('HINCRBY', KEYS[12], 'n:' .. ARGV[9], -1)
  redis.call('HINCRBY', KEYS[12], 'removed', 1)
  if ARGV[11] == '1' then redis.call('HINCRBY', KEYS[12], 'open', -1) end
  if ARGV[13] == '1' then redis.call('HINCRBY', KEYS[12], 'loose', -1) end
  redis.call('ZREM', KEYS[13], ARGV[1])
  redis.call('ZADD', KEYS[14], 0, ARGV[12])
end
local event = redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[5], '*',
  'project', ARGV[3], 'type', 'video.deleted', 'video', ARGV[1], 'version', ARGV[2] + 1, 'at', ARGV[4])
return { 'removed', event }
