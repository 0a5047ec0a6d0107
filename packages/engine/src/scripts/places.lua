-- The places that an account's videos take up: a sorted set of 'model id', all scores 0, so that a lane's stand together.
local function place_name(lane, id) return lane.model .. ' ' .. id end

-- '!' is the character after ' ', which no model's name has.
local function taken_in_lane(lane)
  return redis.call('ZLEXCOUNT', lane.places, '[' .. lane.model .. ' ', '(' .. lane.model .. '!')
end

local function taken_in_account(lane) return redis.call('ZCARD', lane.places) end

-- Older records say their lane's model as a rule; to decode a hundred thousand would keep all others waiting.
local function model_in(record)
  local said = string.match(record, '"lane":{"upstream":"[^"]*","model":"([^"]*)"}')
  if said then return said end
  local is_read, model = pcall(function()
    local whole = cjson.decode(string.match(record, '^%d+ %S+ (.*)$'))
    return whole.lane.model or whole.request.model
  end)
  return is_read and model or nil
end

-- Older versions kept the ids of an account, and those of each lane beside them. The first move that takes or frees a
-- place puts all of them over; what cannot be read still counts for the account.
local function take_over_places(older, places, record_prefix)
  if redis.call('EXISTS', older) == 0 then return end
  local ids, models = redis.call('ZRANGE', older, 0, -1), {}
  for from = 1, #ids, 1000 do
    local records, taken = {}, {}
    for at = from, math.min(from + 999, #ids) do records[#records + 1] = record_prefix .. ids[at] end
    for at, record in ipairs(redis.call('MGET', unpack(records))) do
      local model = record and model_in(record)
      if model then models[model] = true end
      if record then
        taken[#taken + 1] = 0
        taken[#taken + 1] = (model or '?') .. ' ' .. ids[from + at - 1]
      end
    end
    if #taken > 0 then redis.call('ZADD', places, unpack(taken)) end
  end
  local lanes = string.gsub(older, ':account%-in%-flight:', ':in-flight:', 1)
  for model in pairs(models) do redis.call('UNLINK', lanes .. '/' .. model) end
  redis.call('UNLINK', older)
end
