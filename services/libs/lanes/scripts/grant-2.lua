-- The rules of the grant. Mirrors `apply` in src/grant/mod.rs line by line; a test holds the two together.
--
-- KEYS[1]  hash, the grant record of one API key. It has no TTL: expires_us is a number inside it, so that
--          forgetting an owner cannot forget hi_us.
-- KEYS[2]  hash, live members of the caller's pool: owner -> "<expires_us> <mounts> <advertise>"
-- ARGV[1]  intent: take | renew | look        ARGV[2]  epoch to renew, else 0
-- ARGV[3]  owner                              ARGV[4]  advertise
-- ARGV[5]  unit: ms | us | ns                 ARGV[6]  window_us
-- ARGV[7]  floor_us                           ARGV[8]  ttl_us
-- ARGV[9]  reserve_us                         ARGV[10] counter_ceiling_milli
-- ARGV[11] counter_decay_milli_per_s
-- ARGV[12] time in microseconds, for tests and simulations only; 0 takes the server's own
-- ARGV[13] mounts: fingerprints of the keys that the caller can own in this pool, with commas between
-- REPLY    { kind, { numbers and texts of the kind },
--            { owner, advertise, expires_us, mounts, ... of all live members } }
--          granted: epoch, lo_us, hi_us, expires_us, now_us, first of epoch (0 | 1), and what the record before said
--                   of the counter: known (0 | 1), ceiling_milli, decay_milli_per_s, at_us
--          held:    owner, advertise, expires_us, now_us
--          free, lost: now_us
--          All numbers travel as decimal text. A number that is not an integer below 2^53 is an error TOOLARGE, and
--          nothing is written.

local MAX = 9007199254740991

local function fits(n)
  return n ~= nil and n >= 0 and n <= MAX and n == math.floor(n)
end

-- tostring and .. keep 14 digits only; a time in microseconds has 16.
local function text(n)
  return string.format('%.0f', n)
end

local numbers = {}
for _, at in ipairs({ 2, 6, 7, 8, 9, 10, 11, 12 }) do
  local n = tonumber(ARGV[at])
  if not fits(n) then
    return redis.error_reply('TOOLARGE a number of the grant does not fit below 2^53')
  end
  numbers[at] = n
end

local intent, owner, advertise, unit = ARGV[1], ARGV[3], ARGV[4], ARGV[5]
local epoch, window, floor, ttl, reserve = numbers[2], numbers[6], numbers[7], numbers[8], numbers[9]
local now = numbers[12]
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
if not fits(now + ttl) then
  return redis.error_reply('TOOLARGE a number of the grant does not fit below 2^53')
end

local fields = redis.call('HMGET', KEYS[1], 'owner', 'advertise', 'epoch', 'expires_us', 'lo_us', 'hi_us',
  'window_us', 'counter_ceiling_milli', 'counter_decay_milli_per_s', 'counter_at_us')
local record = nil
if fields[3] then
  record = {
    owner = fields[1], advertise = fields[2], epoch = tonumber(fields[3]), expires = tonumber(fields[4]),
    lo = tonumber(fields[5]), hi = tonumber(fields[6]), window = tonumber(fields[7]),
    ceiling = fields[8], decay = fields[9], at = fields[10],
  }
end
local live = record ~= nil and record.expires > now

local function members()
  redis.call('HSET', KEYS[2], owner, text(now + ttl) .. ' ' .. ARGV[13] .. ' ' .. advertise)
  local found, all = {}, redis.call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    local expires, mounts, where = string.match(all[i + 1], '^(%d+) (%S*) (.*)$')
    if expires and tonumber(expires) > now then
      found[#found + 1] = all[i]
      found[#found + 1] = where
      found[#found + 1] = expires
      found[#found + 1] = mounts
    else
      redis.call('HDEL', KEYS[2], all[i])
    end
  end
  return found
end

local function held()
  return { 'held', { record.owner, record.advertise, text(record.expires), text(now) }, members() }
end

local lo, first
if intent == 'look' then
  if live then
    return held()
  end
  return { 'free', { text(now) }, members() }
elseif intent == 'renew' then
  if record == nil or record.owner ~= owner or record.epoch ~= epoch then
    return { 'lost', { text(now) }, members() }
  end
  lo, first = record.lo, false
else
  if live and record.owner ~= owner then
    return held()
  end
  lo, first, epoch = math.max(now, floor), true, 1
  if record ~= nil then
    lo = math.max(record.hi + math.max(record.window, window) + 1, lo)
    epoch = record.epoch + 1
  end
end

local hi = math.max(lo, now, floor) + ttl + reserve
if record ~= nil then
  hi = math.max(hi, record.hi)
end
local expires = now + ttl
if not (fits(epoch) and fits(lo) and fits(hi)) then
  return redis.error_reply('TOOLARGE a number of the grant does not fit below 2^53')
end

redis.call('HSET', KEYS[1], 'owner', owner, 'advertise', advertise, 'epoch', text(epoch),
  'expires_us', text(expires), 'lo_us', text(lo), 'hi_us', text(hi), 'unit', unit, 'window_us', text(window),
  'counter_ceiling_milli', ARGV[10], 'counter_decay_milli_per_s', ARGV[11], 'counter_at_us', text(expires))

local counter = { '0', '0', '0', '0' }
if first and record ~= nil then
  counter = { '1', record.ceiling, record.decay, record.at }
end
return {
  'granted',
  { text(epoch), text(lo), text(hi), text(expires), text(now), first and '1' or '0',
    counter[1], counter[2], counter[3], counter[4] },
  members(),
}
