-- Prepares the empty store of one domain: what has no record here was never granted.
--
-- KEYS[1]  hash, the generation of the domain
-- ARGV[1]  marker
-- ARGV[2]  time in microseconds, for tests and simulations only; 0 takes the server's own
-- ARGV[3]  replication id, for tests and simulations only; empty takes the server's own
-- REPLY    { 1, born_us } if it was prepared, { 0, born_us } of the generation that is there already
--          A server that hides its replication id is an error NOREPLID, and nothing is written.

local born = redis.call('HGET', KEYS[1], 'born_us')
if born then
  return { '0', born }
end
local now = tonumber(ARGV[2])
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local replication_id = ARGV[3]
if replication_id == '' then
  replication_id = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  if not replication_id then
    return redis.error_reply('NOREPLID the server hides its replication id')
  end
end
redis.call('HSET', KEYS[1], 'marker', ARGV[1], 'replication_id', replication_id, 'born_us', string.format('%.0f', now),
  'fresh', '1')
return { '1', string.format('%.0f', now) }
