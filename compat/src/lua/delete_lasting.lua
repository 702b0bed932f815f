-- KEYS[1] any key. ARGV: '1' for texts that are not empty only.
if redis.call('PTTL', KEYS[1]) ~= -1 then
  return 0
end
if ARGV[1] == '1' and (redis.call('TYPE', KEYS[1]).ok ~= 'string' or redis.call('STRLEN', KEYS[1]) == 0) then
  return 0
end
return redis.call('DEL', KEYS[1])
