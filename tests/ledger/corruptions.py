"""Ways to spoil a sound ledger by hand: for each check of `verify.sql`, statements that break just what it proves.

A statement may name `{ws}`, the holds of the story in `test_verify.py` (`{settled}`, `{promoted}`, `{released}`,
`{open}`, `{lost}`) and `{grant}`, the number of its grant. The row that must be named may have `%` in it for what the
story does not know.
"""

from typing import NamedTuple


class Corruption(NamedTuple):
    """A statement, and the row that the check must name."""

    statement: str
    row: str


def _on(table: str, change: str, where: str) -> str:
    return f"UPDATE {table} SET {change} WHERE workspace_id = {{ws}} AND {where}"


def _account(change: str, account: str = "0") -> Corruption:
    return Corruption(_on("ledger_account", change, f"account_id = {account}"), f"account {{ws}}/{account}")


def _window(change: str) -> Corruption:
    return Corruption(_on("ledger_window", change, "key_id = 0 AND span = 1"), "limit window {ws}/0/1/%")


def _hold(name: str, change: str) -> Corruption:
    return Corruption(_on("ledger_hold", change, f"hold_id = '{{{name}}}'"), f"hold {{ws}}/{{{name}}}")


def _entry(change: str, which: str) -> Corruption:
    return Corruption(_on("ledger_entry", change, which), "entry {ws}/%")


_COST = "debit_account = 'cost:p' AND hold_id = '{settled}'"
_PAID = "debit_account = 'customer_cash' AND hold_id = '{settled}'"
_FIRST = "credit_account = 'customer_cash' AND version = 1"

CORRUPTIONS: dict[str, list[Corruption]] = {
    "i1_debits_equal_credits": [
        _entry("amount_nanos = 0", _COST),
        _entry("amount_nanos = -amount_nanos", _COST),
        _entry("credit_account = debit_account", _COST),
        _entry("debit_account = ''", _COST),
        _entry("credit_account = ''", _COST),
    ],
    "i2_available_is_never_negative": [
        _account("held_nanos = -1"),
        _account("posted_nanos = held_nanos - 1"),
        _account("closed = true"),
    ],
    "i3_held_equals_the_open_holds": [
        _account("held_nanos = held_nanos + 1"),
        _account("held_nanos = held_nanos - 1", "{grant}"),
        Corruption("DELETE FROM ledger_hold WHERE workspace_id = {ws} AND hold_id = '{lost}'", "account {ws}/0"),
        Corruption(_on("ledger_hold", "slice_accounts[1] = 5", "hold_id = '{open}'"), "account {ws}/5"),
        Corruption(_on("ledger_hold", "state = 2", "hold_id = '{settled}'"), "account {ws}/0"),
    ],
    "i3_limit_windows_equal_their_holds": [
        _window("used_requests = used_requests + 1"),
        _window("held_requests = held_requests - 1"),
        _window("used_nanos = used_nanos - 1"),
        _window("held_nanos = held_nanos + 1"),
        Corruption(_on("ledger_hold", "legs = '{{}}'", "hold_id = '{settled}'"), "limit window {ws}/0/1/%"),
        Corruption(_on("ledger_hold", "request_counted = false", "hold_id = '{settled}'"), "limit window {ws}/0/1/%"),
        Corruption("DELETE FROM ledger_window WHERE workspace_id = {ws} AND span = 2", "limit window {ws}/0/2/%"),
    ],
    "i4_balances_equal_the_replayed_journal": [
        _account("posted_nanos = posted_nanos + 1"),
        _account("version = version + 1"),
        _account("posted_nanos = posted_nanos + 1", "{grant}"),
        Corruption("DELETE FROM ledger_account WHERE workspace_id = {ws} AND account_id = 0", "account {ws}/0"),
        Corruption(f"DELETE FROM ledger_entry WHERE workspace_id = {{ws}} AND {_PAID}", "account {ws}/0"),
        Corruption(_on("ledger_entry", "amount_nanos = amount_nanos + 1", _PAID), "account {ws}/0"),
    ],
    "i4_each_entry_continues_the_one_before": [
        _entry("before_nanos = before_nanos - 1", _PAID),
        _entry("after_nanos = after_nanos + 1", _PAID),
        _entry("after_nanos = -1", _PAID),
        _entry("version = version + 7", _PAID),
        _entry("before_nanos = 1, after_nanos = after_nanos + 1", _FIRST),
        _entry("amount_nanos = amount_nanos + 1", _PAID),
        Corruption(f"DELETE FROM ledger_entry WHERE workspace_id = {{ws}} AND {_FIRST}", "entry {ws}/%"),
    ],
    "i4_an_entry_names_the_account_it_moved": [
        _entry("account_id = NULL, version = NULL, before_nanos = NULL, after_nanos = NULL", _PAID),
        _entry("account_id = {grant}", _PAID),
        _entry("debit_account = 'customer_promotion:9'", _PAID),
        _entry("debit_account = 'cost:p'", _PAID),
        _entry("debit_account = 'customer_cash'", _COST),
    ],
    "i5_the_journal_is_append_only": [
        *(
            Corruption(f"DROP TRIGGER {table}_{what} ON {table}", f"trigger {table}_{what} on {table}")
            for table in ("ledger_entry", "ledger_command")
            for what in ("append_only", "no_truncate")
        ),
        Corruption(
            "ALTER TABLE ledger_command DISABLE TRIGGER ledger_command_append_only",
            "trigger ledger_command_append_only on ledger_command",
        ),
        Corruption(
            "ALTER TABLE ledger_entry_default DISABLE TRIGGER ledger_entry_append_only",
            "trigger ledger_entry_append_only on ledger_entry_default",
        ),
    ],
    "i7_a_hold_that_ended_says_how": [
        _hold("settled", "finished_at = NULL"),
        _hold("settled", "request_counted = NULL"),
        _hold("open", "finished_at = 1"),
        _hold("open", "request_counted = true"),
        _hold("released", "charge_nanos = 1"),
        _hold("lost", "absorbed_nanos = 1"),
    ],
    "i7_a_hold_ends_once_and_pays_what_its_entries_say": [
        _hold("settled", "charge_nanos = charge_nanos + 1"),
        _hold("settled", "absorbed_nanos = absorbed_nanos + 1"),
        Corruption(_on("ledger_entry", "hold_id = '{released}'", _PAID), "hold {ws}/{settled}"),
        Corruption(_on("ledger_entry", "hold_id = '{open}'", _PAID), "hold {ws}/{open}"),
        Corruption(
            "DELETE FROM ledger_hold WHERE workspace_id = {ws} AND hold_id = '{settled}'", "hold {ws}/{settled}"
        ),
    ],
    "i7_slices_add_up_to_the_hold": [
        _hold("settled", "slice_nanos[1] = slice_nanos[1] + 1"),
        _hold("settled", "amount_nanos = amount_nanos + 1"),
        _hold("settled", "slice_nanos = '{{}}', slice_accounts = '{{}}'"),
        _hold("settled", "slice_accounts = slice_accounts || 7::bigint"),
    ],
    "i8_every_entry_has_its_command": [
        Corruption(
            "DELETE FROM ledger_command WHERE command_id IN (SELECT command_id FROM ledger_entry)", "entry {ws}/%"
        ),
        _entry("command_id = '00000000-0000-7000-8000-000000000000'", _COST),
    ],
    "i8_every_hold_has_its_command": [
        Corruption("DELETE FROM ledger_command WHERE command_id = '{lost}'", "hold {ws}/{lost}"),
    ],
    "i8_answers_agree_with_their_hold": [
        _hold("released", "amount_nanos = 1, slice_nanos = '{{1}}'"),
        _hold("settled", "charge_nanos = charge_nanos - 1"),
        _hold("settled", "absorbed_nanos = absorbed_nanos + 1"),
        _hold("settled", "state = 6"),
        Corruption(
            "UPDATE ledger_command SET answer = replace(answer, ',4,', ',7,') WHERE answer LIKE '%,4,%'",
            "hold {ws}/{released}",
        ),
    ],
    "i8_a_claim_names_a_hold": [
        Corruption(
            "UPDATE ledger_claim SET hold_id = '00000000-0000-7000-8000-000000000000' WHERE workspace_id = {ws}",
            "claim {ws}/%",
        ),
    ],
    "i12_promotional_use_leaves_no_net_revenue": [
        Corruption(
            "DELETE FROM ledger_entry WHERE debit_account = 'promotion_discount' AND workspace_id = {ws}",
            "hold {ws}/{promoted}",
        ),
        Corruption(
            _on("ledger_entry", "amount_nanos = amount_nanos + 1", "debit_account = 'promotion_discount'"),
            "hold {ws}/{promoted}",
        ),
    ],
    "i13_no_window_admitted_more_than_its_limit": [
        _window("top_requests = 1"),
        _window("top_nanos = 1"),
        Corruption(
            "UPDATE ledger_hold SET amount_nanos = 200, slice_nanos = '{{200}}' WHERE hold_id = '{open}';"
            " UPDATE ledger_window SET held_nanos = held_nanos + 999",
            "limit window {ws}/0/1/%",
        ),
    ],
    "i14_both_limits_move_together": [
        Corruption("DELETE FROM ledger_window WHERE workspace_id = {ws} AND span = 2", "hold {ws}/{settled}"),
    ],
    "i15_a_hold_counts_in_the_windows_of_its_own_day": [
        _hold("settled", "legs[1] = legs[1] + 8"),
        _hold("settled", "reserved_at = reserved_at + 86400000000"),
        _hold("settled", "legs[2] = legs[2] + 8"),
        _hold("settled", "legs = array_append(legs, 8 + 6)"),
    ],
    "i17_a_dispatched_hold_was_not_released_by_time": [
        _hold("open", "state = 4, finished_at = 5, request_counted = false"),
        _hold("lost", "state = 7, finished_at = 5, request_counted = false"),
    ],
}
