from farebox.storage.pool import Pool, connected


async def test_a_fresh_database_has_the_ledger_and_the_months_partitions(pool: Pool) -> None:
    async with connected(pool) as connection:
        cursor = await connection.execute("SELECT count(*) FROM pg_class WHERE relname ~ '^ledger_hold_y20..m..$'")
        assert await cursor.fetchone() == (4,)
