-- name: race_numbers(race_dates, race_ids)
-- The numbers of races in the log, given to those that have none.
SELECT asked.race_date, asked.race_id,
    coalesce(known.race_no, odds_log_race(asked.race_date, asked.race_id)) AS race_no
FROM unnest(:race_dates::date[], :race_ids::text[]) AS asked (race_date, race_id)
LEFT JOIN odds_log_races AS known
    ON known.race_id = asked.race_id
    AND known.race_no / 10000 = asked.race_date - date '1900-01-01';

-- name: runner_numbers(race_nos, horse_ids)
-- The numbers of runners within their races, given to those that have none.
SELECT asked.race_no, asked.horse_id,
    coalesce(known.runner_no, odds_log_runner(asked.race_no, asked.horse_id)) AS runner_no
FROM unnest(:race_nos::integer[], :horse_ids::text[]) AS asked (race_no, horse_id)
LEFT JOIN odds_log_runners AS known USING (race_no, horse_id);

-- name: bookmaker_numbers(bookmaker_ids)
-- The numbers of bookmakers, given to those that have none.
SELECT asked.bookmaker_id,
    coalesce(known.bookmaker_no, odds_log_bookmaker(asked.bookmaker_id)) AS bookmaker_no
FROM unnest(:bookmaker_ids::text[]) AS asked (bookmaker_id)
LEFT JOIN odds_log_bookmakers AS known USING (bookmaker_id);

-- name: price_numbers(decimals, fractionals)
-- The numbers of prices in the order asked, given to those that have none.
SELECT odds_log_price(asked.odds_decimal, asked.odds_fractional) AS price_no
FROM unnest(:decimals::numeric[], :fractionals::text[])
    WITH ORDINALITY AS asked (odds_decimal, odds_fractional, position)
ORDER BY asked.position;

-- name: append_changes(race_nos, runner_nos, bookmaker_nos, price_nos, changed_at, seen_at, is_repair)!
-- Append price changes to the log, in the order given; a pulled price has no number.
INSERT INTO odds_log (
    changed_at, seen_at, race_no, bookmaker_no, price_no, runner_no, is_repair
)
SELECT
    c.changed_at, :seen_at::timestamptz, c.race_no, c.bookmaker_no, c.price_no, c.runner_no,
    :is_repair::boolean
FROM unnest(
    :race_nos::integer[], :runner_nos::smallint[], :bookmaker_nos::integer[],
    :price_nos::integer[], :changed_at::timestamptz[]
) WITH ORDINALITY AS c (race_no, runner_no, bookmaker_no, price_no, changed_at, position)
ORDER BY c.position;
