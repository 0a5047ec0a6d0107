-- The breaker of one upstream, a HASH. Closed: it has no field `until`. Open: `until` lies ahead. Half-open: `until`
-- has passed, and one video may try.
--   post, look  failures of this kind in a row    opens  how often it opened since it was last closed
--   until  ms    kind  infrastructure | account    why  one sentence
--   probe  the video that tries    probe_until  ms, when another one may
--   earliest  ms, when a look may bring the try forward
--   answered  looks are answered again after an outage

local breaker_life = 3600 * 1000

-- So many looks in a row that failed are an outage, whose end a look can show.
local outage = 3

-- Returns whether it is open or half-open; where no POST may pass also the ms to wait, why, and 'tried' where one video
-- tries it now.
local function breaker_refuses(key)
  local open = redis.call('HMGET', key, 'until', 'why', 'probe_until')
  if not open[1] then return false end
  local now = now_ms()
  if now < tonumber(open[1]) then return true, tonumber(open[1]) - now, open[2], '' end
  if open[3] and now < tonumber(open[3]) then return true, tonumber(open[3]) - now, open[2], 'tried' end
  return true
end

-- The video that was given leave while the breaker is half-open is its probe, for as long as its POST may last.
local function breaker_lets_pass(key, id, probe_ms)
  redis.call('HSET', key, 'probe', id, 'probe_until', now_ms() + probe_ms)
end

local function breaker_open(key, health)
  local now = now_ms()
  local opens = redis.call('HINCRBY', key, 'opens', 1)
  local ms = math.min(health.longestMs, health.openMs * 2 ^ math.min(opens - 1, 20))
  redis.call('HSET', key, 'until', now + ms, 'kind', health.said, 'why', health.why,
    'earliest', now + math.min(ms, health.openMs))
  redis.call('HDEL', key, 'probe', 'probe_until', 'answered')
  redis.call('PEXPIRE', key, ms + breaker_life)
  return opens == 1 and 'opened' or 'reopened'
end

-- What a call showed of the upstream. Returns 'opened' | 'reopened' | 'closed' | ''.
local function breaker_hears(key, health, id)
  local known = redis.call('HMGET', key, 'until', 'kind', 'probe', 'look', 'earliest', 'answered', 'post', 'opens')
  local is_open = known[1] and true or false
  if health.said == 'nothing' then
    -- Its POST met nobody: another one may try.
    if is_open and known[3] == id then redis.call('HDEL', key, 'probe', 'probe_until') end
    return ''
  end
  if health.said == 'well' then
    if health.about == 'post' then
      if is_open or known[4] or known[7] or known[8] then redis.call('DEL', key) end
      return is_open and 'closed' or ''
    end
    local failed = tonumber(known[4] or '0')
    if failed > 0 then redis.call('HDEL', key, 'look') end
    if not is_open or known[2] ~= 'infrastructure' then return '' end
    if failed >= outage then
      -- A server that was gone and answers again may be tried soon; an account that stopped may not.
      local forward = math.max(now_ms(), tonumber(known[5] or '0'))
      redis.call('HSET', key, 'answered', 1, 'until', math.min(forward, tonumber(known[1])))
    elseif known[6] and now_ms() >= tonumber(known[1]) then
      -- And where no video is free to try it, because every place is taken, looks are proof enough.
      redis.call('DEL', key)
      return 'closed'
    end
    return ''
  end
  redis.call('HDEL', key, 'answered')
  if is_open then
    local was_probe = health.about == 'post' and (known[3] == id or now_ms() >= tonumber(known[1]))
    if was_probe or (health.said == 'account' and known[2] ~= 'account') then return breaker_open(key, health) end
    if health.about == 'look' then redis.call('HINCRBY', key, 'look', 1) end
    return ''
  end
  if health.said == 'account' then return breaker_open(key, health) end
  local failures = redis.call('HINCRBY', key, health.about, 1)
  redis.call('PEXPIRE', key, breaker_life)
  if failures >= health.failures then return breaker_open(key, health) end
  return ''
end
