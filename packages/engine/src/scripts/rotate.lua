-- Puts a new secret in the place of one that goes on signing for a while.
-- KEYS 1 endpoint, or what an API key signs with   ARGV 1 new secret  2 until when the one before signs too, ms
--      3 '1' where there must be something already
-- Returns 1 | 0: there is no such endpoint
local before = redis.call('HGET', KEYS[1], 'secret')
if not before and ARGV[3] == '1' then return 0 end
if before then redis.call('HSET', KEYS[1], 'oldSecret', before, 'oldUntil', ARGV[2]) end
redis.call('HSET', KEYS[1], 'secret', ARGV[1])
return 1
