-- name: upsert_courses(course_ids, courses, region_codes, regions)!
-- Write courses that are new or have changed.
INSERT INTO ra_courses (course_id, course, region_code, region)
SELECT c.course_id, c.course, c.region_code, c.region
FROM unnest(:course_ids::text[], :courses::text[], :region_codes::text[], :regions::text[])
    AS c (course_id, course, region_code, region)
ON CONFLICT (course_id) DO UPDATE
SET course = excluded.course,
    region_code = excluded.region_code,
    region = excluded.region,
    updated_at = now()
WHERE (ra_courses.course, ra_courses.region_code, ra_courses.region)
    IS DISTINCT FROM (excluded.course, excluded.region_code, excluded.region);

-- name: retire_bookmakers(quiet_since)!
-- Mark bookmakers that have quoted nothing for long as not active.
UPDATE ra_bookmakers SET active = false
WHERE active AND last_quoted_at < :quiet_since::timestamptz;
