-- Makes a batch known, once for an idempotency key.
-- KEYS 1 batch  2 all batches  3 the project's  4 open ones  5 projects  6 memory of the request
-- ARGV 1 id  2 project  3 what is remembered, or ''  4 for how long, ms  5 'first': only where nothing is remembered yet
--      6... fields and values
-- Returns 1, or 0 where the key was used before.
if ARGV[3] ~= '' then
  if ARGV[5] == 'first' then
    if not redis.call('SET', KEYS[6], ARGV[3], 'PX', ARGV[4], 'NX') then return 0 end
  else
    redis.call('SET', KEYS[6], ARGV[3], 'PX', ARGV[4])
  end
end
redis.call('HSET', KEYS[1], unpack(ARGV, 6))
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('ZADD', KEYS[3], 0, ARGV[1])
redis.call('SADD', KEYS[4], ARGV[1])
redis.call('SADD', KEYS[5], ARGV[2])
return 1
