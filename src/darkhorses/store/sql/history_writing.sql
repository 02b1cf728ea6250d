-- name: history_without_ids(race_date, region)
-- Rows of a day that the earlier system told, and that have no ids of the feed yet.
SELECT race_id, horse_id, track, horse_name
FROM ra_odds_historical
WHERE date_of_race = :race_date AND lower(country) = :region::text
    AND race_id LIKE 'earlier\_%'
ORDER BY race_id, horse_id;

-- name: give_history_ids(race_ids, horse_ids, new_race_ids, new_horse_ids, superseded_at)!
-- Give rows of the earlier system the feed's ids; where there is a row of these already, what it
-- said goes to revisions.
WITH known AS (
    SELECT k.race_id, k.horse_id, k.new_race_id, k.new_horse_id,
        EXISTS (
            SELECT FROM ra_odds_historical AS taken
            WHERE taken.race_id = k.new_race_id AND taken.horse_id = k.new_horse_id
        ) AS is_taken
    FROM unnest(
        :race_ids::text[], :horse_ids::text[], :new_race_ids::text[], :new_horse_ids::text[]
    ) AS k (race_id, horse_id, new_race_id, new_horse_id)
), dropped AS (
    DELETE FROM ra_odds_historical AS old
    USING known
    WHERE known.is_taken AND old.race_id = known.race_id AND old.horse_id = known.horse_id
    RETURNING known.new_race_id, known.new_horse_id, to_jsonb(old) AS said
), kept AS (
    INSERT INTO ra_odds_historical_revisions (race_id, horse_id, superseded_at, said)
    SELECT new_race_id, new_horse_id, :superseded_at::timestamptz, said FROM dropped
    ORDER BY new_race_id, new_horse_id
)
UPDATE ra_odds_historical AS old
SET race_id = known.new_race_id, horse_id = known.new_horse_id
FROM known
WHERE NOT known.is_taken AND old.race_id = known.race_id AND old.horse_id = known.horse_id;

-- name: write_history(rows, whole_races, written_at)^
-- Write the rows that are new or say something else than before, and drop those of whole races that
-- are said no more; what they said goes to revisions. The feed says nothing in running, so that what
-- the earlier system said of it stands; and its result stands until the feed has one.
WITH incoming AS (
    SELECT told.*,
        to_jsonb(told)
            - ARRAY['created_at', 'updated_at', 'match_timestamp', 'ip_min', 'ip_max'] AS says
    FROM jsonb_populate_recordset(NULL::ra_odds_historical, :rows::jsonb) AS told
), stored AS (
    SELECT old.race_id, old.horse_id,
        old.data_source = 'earlier'
            AND old.finishing_position IS NOT NULL
            AND incoming.finishing_position IS NULL
            AND NOT incoming.is_non_runner AS knows_more,
        to_jsonb(old)
            - ARRAY['created_at', 'updated_at', 'match_timestamp', 'ip_min', 'ip_max'] AS said
    FROM ra_odds_historical AS old
    JOIN incoming USING (race_id, horse_id)
), differing AS (
    SELECT incoming.*, stored.said
    FROM incoming
    LEFT JOIN stored USING (race_id, horse_id)
    WHERE stored.said IS DISTINCT FROM incoming.says AND stored.knows_more IS NOT TRUE
), dropped AS (
    DELETE FROM ra_odds_historical AS old
    WHERE old.race_id = ANY(:whole_races::text[])
        AND NOT EXISTS (
            SELECT FROM incoming
            WHERE incoming.race_id = old.race_id AND incoming.horse_id = old.horse_id
        )
    RETURNING old.*
), kept AS (
    INSERT INTO ra_odds_historical_revisions (race_id, horse_id, superseded_at, said)
    SELECT d.race_id, d.horse_id, :written_at::timestamptz, (
        SELECT jsonb_object_agg(before.key, before.value)
        FROM jsonb_each(d.said) AS before
        WHERE before.value IS DISTINCT FROM d.says -> before.key
    )
    FROM differing AS d
    WHERE d.said IS NOT NULL
    UNION ALL
    SELECT gone.race_id, gone.horse_id, :written_at::timestamptz, to_jsonb(gone)
    FROM dropped AS gone
    ORDER BY race_id, horse_id
    RETURNING 1
), written AS (
    INSERT INTO ra_odds_historical (
        race_id, horse_id,
        date_of_race, off_dt, country, course_id, track, race_time, race_name, going, race_type,
        distance, race_class, runners_count, horse_name, horse_number, official_rating, age,
        weight, jockey, jockey_id, trainer, trainer_id, headgear, stall_number, is_non_runner,
        non_runner_reason, industry_sp, industry_sp_fractional, sp_favorite_position,
        sp_favorite_mark, bsp, finishing_position, position_no, dead_heat_count,
        winning_distance, prize, prize_currency, opening_price, closing_price, pre_race_min,
        pre_race_max, forecasted_odds, sp_win_return, ew_return, place_return, rule_4_pence,
        data_source,
        match_timestamp, created_at, updated_at
    )
    SELECT
        d.race_id, d.horse_id,
        d.date_of_race, d.off_dt, d.country, d.course_id, d.track, d.race_time, d.race_name,
        d.going, d.race_type, d.distance, d.race_class, d.runners_count, d.horse_name,
        d.horse_number, d.official_rating, d.age, d.weight, d.jockey, d.jockey_id, d.trainer,
        d.trainer_id, d.headgear, d.stall_number, d.is_non_runner, d.non_runner_reason,
        d.industry_sp, d.industry_sp_fractional, d.sp_favorite_position, d.sp_favorite_mark,
        d.bsp, d.finishing_position, d.position_no, d.dead_heat_count, d.winning_distance,
        d.prize, d.prize_currency, d.opening_price, d.closing_price, d.pre_race_min,
        d.pre_race_max, d.forecasted_odds, d.sp_win_return, d.ew_return, d.place_return,
        d.rule_4_pence, d.data_source,
        :written_at::timestamptz, :written_at::timestamptz, :written_at::timestamptz
    FROM differing AS d
    ON CONFLICT (race_id, horse_id) DO UPDATE
    SET date_of_race = excluded.date_of_race,
        off_dt = excluded.off_dt,
        country = excluded.country,
        course_id = excluded.course_id,
        track = excluded.track,
        race_time = excluded.race_time,
        race_name = excluded.race_name,
        going = excluded.going,
        race_type = excluded.race_type,
        distance = excluded.distance,
        race_class = excluded.race_class,
        runners_count = excluded.runners_count,
        horse_name = excluded.horse_name,
        horse_number = excluded.horse_number,
        official_rating = excluded.official_rating,
        age = excluded.age,
        weight = excluded.weight,
        jockey = excluded.jockey,
        jockey_id = excluded.jockey_id,
        trainer = excluded.trainer,
        trainer_id = excluded.trainer_id,
        headgear = excluded.headgear,
        stall_number = excluded.stall_number,
        is_non_runner = excluded.is_non_runner,
        non_runner_reason = excluded.non_runner_reason,
        industry_sp = excluded.industry_sp,
        industry_sp_fractional = excluded.industry_sp_fractional,
        sp_favorite_position = excluded.sp_favorite_position,
        sp_favorite_mark = excluded.sp_favorite_mark,
        bsp = excluded.bsp,
        finishing_position = excluded.finishing_position,
        position_no = excluded.position_no,
        dead_heat_count = excluded.dead_heat_count,
        winning_distance = excluded.winning_distance,
        prize = excluded.prize,
        prize_currency = excluded.prize_currency,
        opening_price = excluded.opening_price,
        closing_price = excluded.closing_price,
        pre_race_min = excluded.pre_race_min,
        pre_race_max = excluded.pre_race_max,
        forecasted_odds = excluded.forecasted_odds,
        sp_win_return = excluded.sp_win_return,
        ew_return = excluded.ew_return,
        place_return = excluded.place_return,
        rule_4_pence = excluded.rule_4_pence,
        data_source = excluded.data_source,
        match_timestamp = excluded.match_timestamp,
        updated_at = excluded.updated_at
    RETURNING 1
)
SELECT (SELECT count(*) FROM written) AS written, (SELECT count(*) FROM kept) AS revised;

-- name: write_results(results, written_at)!
-- Write the results that are new or say something else than before.
INSERT INTO ra_results AS stored (
    race_id,
    race_date, off_dt, region, course_id, course, race_name, race_class, race_type, pattern,
    distance, distance_f, going, surface, age_band, rating_band, is_handicap, runners_count,
    winning_time, comments, non_runners, tote, is_provisional,
    created_at, updated_at
)
SELECT
    r.race_id,
    r.race_date, r.off_dt, r.region, r.course_id, r.course, r.race_name, r.race_class,
    r.race_type, r.pattern, r.distance, r.distance_f, r.going, r.surface, r.age_band,
    r.rating_band, r.is_handicap, r.runners_count, r.winning_time, r.comments, r.non_runners,
    r.tote, r.is_provisional,
    :written_at::timestamptz, :written_at::timestamptz
FROM jsonb_populate_recordset(NULL::ra_results, :results::jsonb) AS r
ON CONFLICT (race_id) DO UPDATE
SET race_date = excluded.race_date,
    off_dt = excluded.off_dt,
    region = excluded.region,
    course_id = excluded.course_id,
    course = excluded.course,
    race_name = excluded.race_name,
    race_class = excluded.race_class,
    race_type = excluded.race_type,
    pattern = excluded.pattern,
    distance = excluded.distance,
    distance_f = excluded.distance_f,
    going = excluded.going,
    surface = excluded.surface,
    age_band = excluded.age_band,
    rating_band = excluded.rating_band,
    is_handicap = excluded.is_handicap,
    runners_count = excluded.runners_count,
    winning_time = excluded.winning_time,
    comments = excluded.comments,
    non_runners = excluded.non_runners,
    tote = excluded.tote,
    is_provisional = excluded.is_provisional,
    updated_at = excluded.updated_at
WHERE (to_jsonb(stored) - ARRAY['created_at', 'updated_at'])
    IS DISTINCT FROM (to_jsonb(excluded) - ARRAY['created_at', 'updated_at']);
