-- A clip that another batch had rendered has ended.
-- KEYS 1 batch  2 its shared clips  3 clips that have ended   ARGV 1 number  2 status  3 `batch number`  4 now, ms
-- Returns 1 the first time.
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HINCRBY', KEYS[1], 'sharedOpen', -1)
redis.call('HINCRBY', KEYS[1], 'shared:' .. ARGV[2], 1)
redis.call('HSET', KEYS[1], 'updatedAt', ARGV[4])
redis.call('ZADD', KEYS[3], 0, ARGV[3])
return 1
