-- name: all_courses()
-- Every course, by region and name.
SELECT course_id, course, region_code, region, updated_at
FROM ra_courses
ORDER BY region_code, course;

-- name: all_bookmakers()
-- Every bookmaker and exchange ever seen, by name.
SELECT bookmaker_id, bookmaker_name, bookmaker_type, active, last_quoted_at, created_at
FROM ra_bookmakers
ORDER BY bookmaker_name, bookmaker_id;
