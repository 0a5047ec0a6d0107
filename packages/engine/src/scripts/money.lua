-- Money of attempts in millionths of a US dollar: each scope's balance is a HASH of the accounts reserved, charged and
-- unknown. An amount goes from one account to another; 'none' is outside of all of them.
local function spent_in(scope)
  local sums = redis.call('HMGET', scope, 'reserved', 'charged', 'unknown')
  return (tonumber(sums[1] or '') or 0) + (tonumber(sums[2] or '') or 0) + (tonumber(sums[3] or '') or 0)
end

-- Numbers are written whole: Lua would write large ones with an exponent.
local function whole(number) return string.format('%.0f', number) end

-- `caps`: {key's number, micros, name} of each. Returns nothing where all hold, else a refusal.
local function budget_refuses(caps, amount, first)
  for _, cap in ipairs(caps) do
    local spent = spent_in(KEYS[first + cap[1]])
    if spent + amount > cap[2] then return { 'budget', cap[3], whole(spent), whole(cap[2]), whole(amount) } end
  end
  return nil
end

-- Writes the postings into the balances of their scopes and into the journal. `known_scopes`: SET of all scopes.
local function post_money(postings, first, journal, known_scopes, about)
  for _, posting in ipairs(postings) do
    for _, scope in ipairs(posting.scopes) do
      local key = KEYS[first + scope[1]]
      if posting.from ~= 'none' then redis.call('HINCRBY', key, posting.from, whole(-posting.micros)) end
      if posting.to ~= 'none' then redis.call('HINCRBY', key, posting.to, whole(posting.micros)) end
      redis.call('SADD', known_scopes, scope[2])
    end
    redis.call('XADD', journal, '*', 'video', about.id, 'attempt', posting.attempt, 'from', posting.from,
      'to', posting.to, 'micros', whole(posting.micros), 'at', whole(about.at), 'project', about.project,
      'upstream', posting.upstream, 'day', posting.day, 'batch', about.batch and about.batch.id or '')
  end
end
