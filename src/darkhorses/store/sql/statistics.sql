-- name: statistics_totals(scope)
-- How many of each kind there are.
SELECT kind, counted FROM statistics_counts WHERE scope = :scope;

-- name: statistics_changes_by_hour(since)
-- Price changes by the hour in which they took effect, with the bookmakers that made them.
SELECT hour, sum(changes)::bigint AS changes, count(*) AS bookmakers
FROM statistics_hours
WHERE hour >= :since::timestamptz
GROUP BY hour
ORDER BY hour;

-- name: statistics_changes_by_bookmaker(since)
-- Price changes of each bookmaker, and the number of hours in which anybody's price changed.
SELECT bookmaker_id, sum(changes)::bigint AS changes,
    (SELECT count(DISTINCT hour) FROM statistics_hours WHERE hour >= :since::timestamptz) AS hours
FROM statistics_hours
WHERE hour >= :since::timestamptz
GROUP BY bookmaker_id;

-- name: statistics_span^
-- The first and the last hour in which a price changed.
SELECT min(hour) AS first_hour, max(hour) AS last_hour FROM statistics_hours;

-- name: statistics_races_by_date(since)
-- Races with prices and their price changes, by race day, the newest first.
SELECT race_date, count(*) AS races, sum(changes)::bigint AS changes
FROM statistics_races
WHERE race_date >= :since
GROUP BY race_date
ORDER BY race_date DESC;

-- name: statistics_races_by_course(since)
-- Races with prices and their price changes, by course, the most changes first.
SELECT race.course, race.region, count(*) AS races, sum(counted.changes)::bigint AS changes
FROM statistics_races AS counted
JOIN ra_races AS race USING (race_id)
WHERE counted.race_date >= :since AND race.race_date >= :since
GROUP BY race.course, race.region
ORDER BY changes DESC, race.course, race.region;

-- name: statistics_measured(since)^
-- The races that were measured, together.
SELECT count(*) AS races,
    coalesce(sum(runners), 0)::bigint AS runners,
    coalesce(sum(priced_runners), 0)::bigint AS priced_runners,
    coalesce(sum(market_moves), 0)::bigint AS market_moves,
    avg(best_book) AS best_book
FROM statistics_races
WHERE race_date >= :since AND measured_change_id IS NOT NULL;

-- name: statistics_league(since)
-- Each bookmaker's measures over the races that were measured.
SELECT m.bookmaker_id, b.bookmaker_name, b.bookmaker_type,
    count(*) FILTER (WHERE m.runners_priced > 0) AS races,
    sum(m.runners_priced)::bigint AS runners_priced,
    sum(m.best)::bigint AS best,
    count(m.overround) AS books,
    avg(m.overround) AS overround,
    sum(m.shortened)::bigint AS shortened,
    sum(m.drifted)::bigint AS drifted,
    sum(m.market_moves)::bigint AS market_moves,
    sum(m.led)::bigint AS led,
    sum(m.led_alone)::bigint AS led_alone,
    sum(m.joined)::bigint AS joined,
    sum(m.lag_seconds) AS lag_seconds
FROM statistics_race_bookmakers AS m
JOIN ra_bookmakers AS b USING (bookmaker_id)
WHERE m.race_date >= :since
GROUP BY m.bookmaker_id, b.bookmaker_name, b.bookmaker_type
ORDER BY runners_priced DESC, b.bookmaker_name;

-- name: statistics_open_races(today)
-- The races from a day on, each with its runners, those without any price, and its quotes.
SELECT race.race_id, race.off_dt, race.race_status, race.is_abandoned, race.odds_changed_at,
    race.checked_at, runner.runners, runner.unpriced, quote.open_quotes, quote.suspended_quotes
FROM ra_races AS race
CROSS JOIN LATERAL (
    SELECT count(*) AS runners, count(*) FILTER (
        WHERE NOT EXISTS (
            SELECT FROM ra_odds_live AS priced
            WHERE priced.race_id = listed.race_id AND priced.horse_id = listed.horse_id
                AND priced.odds_decimal IS NOT NULL
        )
    ) AS unpriced
    FROM ra_runners AS listed
    WHERE listed.race_id = race.race_id
        AND NOT (listed.is_non_runner OR listed.is_reserve) AND listed.removed_at IS NULL
) AS runner
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE market_status = 'OPEN') AS open_quotes,
        count(*) FILTER (WHERE market_status = 'SUSPENDED') AS suspended_quotes
    FROM ra_odds_live
    WHERE ra_odds_live.race_id = race.race_id
) AS quote
WHERE race.race_date >= :today;

-- name: statistics_coverage(race_ids)
-- What each bookmaker quotes in some races now; whoever quotes nothing is not there.
SELECT b.bookmaker_id, b.bookmaker_name, b.bookmaker_type,
    count(*) AS races, sum(quoted.runners)::bigint AS active_quotes
FROM unnest(:race_ids::text[]) AS asked (race_id)
CROSS JOIN LATERAL (
    SELECT bookmaker_id, count(*) AS runners
    FROM ra_odds_live
    WHERE ra_odds_live.race_id = asked.race_id AND market_status = 'OPEN'
    GROUP BY bookmaker_id
) AS quoted
JOIN ra_bookmakers AS b USING (bookmaker_id)
GROUP BY b.bookmaker_id, b.bookmaker_name, b.bookmaker_type
ORDER BY active_quotes DESC, b.bookmaker_name;

-- name: statistics_quarantine(since)
-- Pieces of the feed that were set aside and seen since, by kind, with how often they came in all.
SELECT kind, count(*) AS records, sum(seen_count)::bigint AS times_seen
FROM quarantine
WHERE last_seen_at >= :since::timestamptz
GROUP BY kind
ORDER BY kind;

-- name: statistics_poll_cycles(since)^
-- The looks at the whole card, together.
SELECT count(*) AS looks, max(fetch_timestamp) AS last_look_at,
    avg(fetch_duration_ms)::double precision AS mean_ms,
    coalesce(sum(errors_count), 0)::bigint AS errors
FROM ra_odds_statistics
WHERE fetch_timestamp >= :since::timestamptz;

-- name: statistics_races_waiting(now)$
-- How many races past their off are to be measured.
SELECT count(*)
FROM statistics_races AS counted
CROSS JOIN LATERAL (
    SELECT FROM ra_races
    WHERE ra_races.race_id = counted.race_id AND off_dt < :now::timestamptz
    OFFSET 0
) AS race
WHERE counted.measured_change_id IS DISTINCT FROM counted.newest_change_id;

-- name: statistics_past_groups
-- Past races together, and by region, course and class.
SELECT grouping(region, course, race_class) AS grouped, region, course, race_class,
    count(*) AS races,
    count(*) FILTER (WHERE was_run) AS run,
    coalesce(sum(runners), 0)::bigint AS runners,
    coalesce(sum(non_runners), 0)::bigint AS non_runners,
    avg(runners) FILTER (WHERE was_run) AS field_size,
    count(favourite_wins) AS favourite_races,
    count(favourite_wins) FILTER (WHERE favourites > 1) AS joint_races,
    coalesce(sum(favourite_wins), 0) AS favourite_wins,
    count(favourite_return) AS staked,
    coalesce(sum(favourite_return), 0) AS favourite_return
FROM statistics_past_races
GROUP BY GROUPING SETS ((), (region), (region, course), (race_class))
ORDER BY races DESC, region, course, race_class;

-- name: statistics_past_quality^
-- What the rows of past races lack, and which prices they have.
SELECT min(race_date) AS first_date, max(race_date) AS last_date,
    coalesce(sum(runners), 0)::bigint AS runners,
    coalesce(sum(without_result), 0)::bigint AS without_result,
    coalesce(sum(without_prices), 0)::bigint AS without_prices,
    coalesce(sum(with_sp), 0)::bigint AS with_sp,
    coalesce(sum(with_bsp), 0)::bigint AS with_bsp,
    coalesce(sum(with_opening), 0)::bigint AS with_opening,
    coalesce(sum(with_closing), 0)::bigint AS with_closing,
    coalesce(sum(with_range), 0)::bigint AS with_range,
    coalesce(sum(with_forecast), 0)::bigint AS with_forecast,
    coalesce(sum(from_change_log), 0)::bigint AS from_change_log
FROM statistics_past_races;

-- name: statistics_field_sizes
-- How many races were run with how many runners.
SELECT runners, count(*) AS races
FROM statistics_past_races
WHERE was_run
GROUP BY runners
ORDER BY runners;

-- name: statistics_past_dates(up_to)
-- The last days of past racing: races and rows, the newest first.
SELECT race_date, count(*) AS races, sum(runners + non_runners)::bigint AS records
FROM statistics_past_races
GROUP BY race_date
ORDER BY race_date DESC
LIMIT :up_to;

-- name: statistics_ledger^
-- How the ledger of race days stands.
SELECT count(*) AS days,
    count(*) FILTER (WHERE cards = 'missing' OR results = 'missing') AS gaps,
    count(*) FILTER (WHERE cards = 'complete' AND results = 'complete') AS complete,
    max(checked_at) AS last_read_at
FROM race_days;

-- name: statistics_current^
-- The newest figures.
SELECT computed_at, change_id, past_days_counted, live, historical FROM statistics_current;

-- name: statistics_progress^
-- Up to where the change log is counted, and how often a past day was.
SELECT change_id, past_days_counted FROM statistics_progress;

-- name: statistics_behind(change_id)$
-- How many numbers the change log has given since a change.
SELECT greatest(coalesce(max(newest_change_id), 0) - :change_id::bigint, 0) FROM odds_log_months;

-- name: statistics_trend(metric, from_day, to_day)
-- A headline figure as past runs found it, oldest first, over days in London (by default a week).
SELECT computed_at, (figures ->> :metric)::double precision AS value
FROM statistics_snapshots
WHERE computed_at
        >= coalesce(:from_day::date, :to_day::date - 7)::timestamp AT TIME ZONE 'Europe/London'
    AND computed_at < (:to_day::date + 1)::timestamp AT TIME ZONE 'Europe/London'
    AND figures ->> :metric IS NOT NULL
ORDER BY computed_at;
