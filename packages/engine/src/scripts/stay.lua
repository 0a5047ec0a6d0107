-- Writes a video anew that stays in its status, by compare-and-set: `advance` without all that such a move does not
-- touch. Most moves are looks at a render that is not done, and each key and each step is paid for.
-- KEYS 1 record  2 due  3 alarms  4 the upstream's breaker   ARGV 1 the move  2 the record, with its head
-- Returns as `advance` does.
local move = cjson.decode(ARGV[1])
local head = redis.call('GETRANGE', KEYS[1], 0, 15)
if head == '' then return { 'missing' } end
if string.match(head, '^(%d+) ') ~= move.had then return { 'changed' } end
local breaker = move.health and breaker_hears(KEYS[4], move.health, move.id) or ''
redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], move.due, move.id)
if move.alarm ~= 'keep' then redis.call('ZADD', KEYS[3], move.alarm, move.id) end
return { 'moved', '', breaker, '' }
