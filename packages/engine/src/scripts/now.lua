-- Redis's clock, because workers' differ: ms since 1970, the same throughout a script. Most need not ask.
local now_known
local function now_ms()
  if not now_known then
    local time = redis.call('TIME')
    now_known = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return now_known
end
