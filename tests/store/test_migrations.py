from darkhorses.store.migrations import schema_state
from darkhorses.store.pool import Connection


async def test_a_clone_of_the_template_has_every_migration(connection: Connection) -> None:
    state = await schema_state(connection)

    assert state.is_current
    assert state.applied == ("0001_live_odds",)
