-- Makes a video durable: record, indexes, due time and first event, or nothing at all.
-- KEYS 1 record  2 all videos  3 status index  4 due  5 events  6 idempotency (used only if ARGV 7 is not empty)
--      7 those that wait in its lane
-- ARGV 1 id  2 version  3 status  4 record as JSON  5 due at, ms  6 longest length of the event stream
--      7 fingerprint of the request, or ''  8 how long it is kept, ms  9 now, ms
-- Returns {'accepted', event id} | {'known', fingerprint, id}: the key was used before | {'exists'}: the id was.
if ARGV[7] ~= '' then
  local known = redis.call('GET', KEYS[6])
  if known then
    local fingerprint, id = string.match(known, '^(%S+) (%S+)$')
    return { 'known', fingerprint, id }
  end
end
if redis.call('EXISTS', KEYS[1]) == 1 then return { 'exists' } end
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('ZADD', KEYS[3], 0, ARGV[1])
redis.call('ZADD', KEYS[4], ARGV[5], ARGV[1])
redis.call('ZADD', KEYS[7], 0, ARGV[1])
if ARGV[7] ~= '' then redis.call('SET', KEYS[6], ARGV[7] .. ' ' .. ARGV[1], 'PX', ARGV[8]) end
local event = redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[6], '*',
  'video', ARGV[1], 'version', ARGV[2], 'status', ARGV[3], 'at', ARGV[9])
return { 'accepted', event }
