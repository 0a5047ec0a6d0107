-- Adds a webhook endpoint, if its project has room for one more. It hears of what happens from now on.
-- KEYS 1 endpoint  2 all endpoints  3 its project's  4 events
-- ARGV 1 id  2 most endpoints of a project  3, 4 field and text, ...
-- Returns 1 | 0: there is no room
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'after', last_event(KEYS[4]), unpack(ARGV, 3))
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('ZADD', KEYS[3], 0, ARGV[1])
return 1
