-- Asks for leave to look at an upstream once, at most so many times in any second, in the lane and in its account.
-- KEYS 1 the lane's looks of the last second  2 until when they are spoken for  3, 4 the account's
-- ARGV 1 looks in a second for the lane  2 for the account; 0: no limit  3 a name for this one
-- Returns 0: look now | ms to wait. Those who wait get a place each, one after the other.
local now = now_ms()
-- A look leaves for the upstream a little later than it was asked for, on a busy machine a quarter of a second.
local window = 1250
local books = { { KEYS[1], KEYS[2], tonumber(ARGV[1]) }, { KEYS[3], KEYS[4], tonumber(ARGV[2]) } }
local wait_ms = 0
for _, book in ipairs(books) do
  local looks, ahead, rate = book[1], book[2], book[3]
  if rate > 0 then
    redis.call('ZREMRANGEBYSCORE', looks, '-inf', now - window)
    if redis.call('ZCARD', looks) >= rate then
      local at = math.max(tonumber(redis.call('GET', ahead) or '0'), now) + math.ceil(window / rate)
      redis.call('SET', ahead, at, 'PX', at - now)
      wait_ms = math.max(wait_ms, at - now)
    end
  end
end
if wait_ms > 0 then return wait_ms end
for _, book in ipairs(books) do
  if book[3] > 0 then
    redis.call('ZADD', book[1], now, ARGV[3])
    redis.call('PEXPIRE', book[1], window)
  end
end
return 0
