-- name: numbers_to_log(race_dates, race_ids, horse_ids, bookmaker_ids, decimals, fractionals)^
-- The log's numbers of runners with their races, of bookmakers, and of prices, in the order asked;
-- given to those that have none. Makes the months' partitions, too.
WITH asked AS MATERIALIZED (
    SELECT race_date, race_id, horse_id, position
    FROM unnest(:race_dates::date[], :race_ids::text[], :horse_ids::text[])
        WITH ORDINALITY AS a (race_date, race_id, horse_id, position)
), races AS MATERIALIZED (
    SELECT asked.race_date, asked.race_id,
        coalesce(known.race_no, odds_log_race(asked.race_date, asked.race_id)) AS race_no
    FROM (SELECT DISTINCT race_date, race_id FROM asked ORDER BY race_date, race_id) AS asked
    LEFT JOIN odds_log_races AS known
        ON known.race_id = asked.race_id
        AND known.race_no / 10000 = first_race_no(asked.race_date) / 10000
), runners AS MATERIALIZED (
    SELECT asked.position, races.race_no,
        coalesce(known.runner_no, odds_log_runner(races.race_no, asked.horse_id)) AS runner_no
    FROM asked
    JOIN races USING (race_date, race_id)
    LEFT JOIN odds_log_runners AS known
        ON known.race_no = races.race_no AND known.horse_id = asked.horse_id
)
SELECT
    ARRAY(SELECT race_no FROM runners ORDER BY position) AS race_nos,
    ARRAY(SELECT runner_no FROM runners ORDER BY position) AS runner_nos,
    ARRAY(
        SELECT odds_log_bookmaker(id)
        FROM unnest(:bookmaker_ids::text[]) WITH ORDINALITY AS b (id, position) ORDER BY position
    ) AS bookmaker_nos,
    ARRAY(
        SELECT odds_log_price(price, fraction)
        FROM unnest(:decimals::numeric[], :fractionals::text[])
            WITH ORDINALITY AS p (price, fraction, position)
        ORDER BY position
    ) AS price_nos,
    (
        SELECT count(ensure_odds_changes_partition(race_date))
        FROM (SELECT DISTINCT race_date FROM races) AS days
    ) AS days;

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
