-- The intents of an account whose outcome is not known, with the generation in one step: a verdict rests on both.
--
-- KEYS[1]  sorted set, open intents of the account: id -> claimed_us
-- KEYS[2]  hash, the generation of the domain: marker, replication_id, born_us, fresh (0 | 1)
-- KEYS[3]  hash, a record that does not exist: its name without the id, so that all keys are in one slot
-- ARGV[1]  at most so many     ARGV[2]  kept_us
-- ARGV[3]  time in microseconds, for tests and simulations only; 0 takes the server's own
-- REPLY    { marker or empty, now_us, { id, { fields of the record as names and values }, id, ... } }

local now = tonumber(ARGV[3])
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
-- What is older was forgotten by the store.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - tonumber(ARGV[2])))
local found = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)) do
  local fields = redis.call('HGETALL', KEYS[3] .. id)
  if #fields > 0 then
    found[#found + 1] = id
    found[#found + 1] = fields
  end
end
return { redis.call('HGET', KEYS[2], 'marker') or '', string.format('%.0f', now), found }
