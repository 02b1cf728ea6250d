-- Smaller indexes of the change log.
-- depends: 0010_adoption
--
-- Why it looks like this:
-- * An index whose keys are all different costs 28 bytes and more an entry. A key that many entries
--   share is kept once, with 6 bytes for each of them.
-- * So entries are found by their block, 128 numbers in a row, and within it by looking. Who asks by
--   number asks for the block, too.
-- * A race's entries are found by the race alone; its few thousand are sorted when they are read.
-- * Numbers are unique because nobody but the sequence gives them (GENERATED ALWAYS). The primary
--   key did not see to that: it took a number twice when the race days differed.

-- migrate: apply

ALTER TABLE ra_odds_changes DROP CONSTRAINT ra_odds_changes_pkey;
DROP INDEX ra_odds_changes_by_race;
CREATE INDEX ra_odds_changes_by_block ON ra_odds_changes ((change_id / 128)) WITH (fillfactor = 100);
CREATE INDEX ra_odds_changes_by_race ON ra_odds_changes (race_id);

-- migrate: rollback

DROP INDEX ra_odds_changes_by_race;
DROP INDEX ra_odds_changes_by_block;
CREATE INDEX ra_odds_changes_by_race ON ra_odds_changes (race_id, change_id);
ALTER TABLE ra_odds_changes ADD PRIMARY KEY (change_id, race_date);
