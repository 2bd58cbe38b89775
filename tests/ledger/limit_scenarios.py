"""What the ledger promises about limits, as tables. Amounts are nano-USD. `script.py` says how a row is read."""

LIMIT_SCENARIOS: dict[str, str] = {
    "a_request_limit_refuses_the_next_request_even_while_the_last_one_runs": """
        open                                    | 0/0
        credit 100                              | 100/0
        limit 1 day requests=2                  | 100/0
        reserve h1 1 key=1                      | 99/1
        reserve h2 1 key=1                      | 98/2
        reserve h3 1 key=1                      | requests_exhausted limit=1.day
        reserve h4 1 key=2                      | 97/3
        reserve h5 1                            | 96/4
        settle h1 1                             | 96/3
        reserve h6 1 key=1                      | requests_exhausted limit=1.day
        window 1 day                            | requests=1+1 dollars=1+1
    """,
    "a_dollar_limit_counts_what_is_held_and_then_what_was_charged": """
        open                                    | 0/0
        credit 100                              | 100/0
        limit ws month dollars=50               | 100/0
        reserve h1 30 key=1                     | 70/30
        reserve h2 21 key=2                     | budget_exhausted limit=ws.month required=21 available=20 held=30
        reserve h3 20 key=2                     | 50/50
        settle h1 5                             | 75/20
        reserve h4 25                           | 50/45
        reserve h5 1                            | budget_exhausted limit=ws.month required=1 available=0 held=45
        reserve h6 0                            | 50/45
        window ws month                         | requests=1+3 dollars=5+45
    """,
    "an_overrun_may_pass_a_dollar_limit_and_is_then_in_the_way": """
        open                                    | 0/0
        credit 100                              | 100/0
        limit 1 life dollars=20                 | 100/0
        reserve h1 20 key=1                     | 80/20
        settle h1 33                            | 67/0 charge=33
        window 1 life                           | requests=1+0 dollars=33+0
        reserve h2 0 key=1                      | budget_exhausted limit=1.life required=0 available=0 held=0
        limit 1 life dollars=40                 | 67/0
        reserve h3 7 key=1                      | 60/7
    """,
    "the_first_empty_limit_wins_requests_before_dollars_key_before_workspace_short_before_long": """
        open                                    | 0/0
        limit ws life requests=0 dollars=0      | 0/0
        reserve h 9 key=1                       | requests_exhausted limit=ws.life
        limit ws month requests=0 dollars=0     | 0/0
        reserve h 9 key=1                       | requests_exhausted limit=ws.month
        limit ws day requests=0 dollars=0       | 0/0
        reserve h 9 key=1                       | requests_exhausted limit=ws.day
        limit 1 life requests=0 dollars=0       | 0/0
        reserve h 9 key=1                       | requests_exhausted limit=1.life
        limit 1 month requests=0 dollars=0      | 0/0
        reserve h 9 key=1                       | requests_exhausted limit=1.month
        limit 1 day requests=0 dollars=0        | 0/0
        reserve h 9 key=1                       | requests_exhausted limit=1.day
        limit 1 day dollars=0                   | 0/0
        limit 1 month dollars=0                 | 0/0
        limit 1 life dollars=0                  | 0/0
        reserve h 9 key=1                       | requests_exhausted limit=ws.day
        limit ws day dollars=0                  | 0/0
        limit ws month dollars=0                | 0/0
        limit ws life dollars=0                 | 0/0
        reserve h 9 key=1                       | budget_exhausted limit=1.day required=9 available=0
        limit 1 day                             | 0/0
        reserve h 9 key=1                       | budget_exhausted limit=1.month
        limit 1 month                           | 0/0
        reserve h 9 key=1                       | budget_exhausted limit=1.life
        limit 1 life                            | 0/0
        reserve h 9 key=1                       | budget_exhausted limit=ws.day
        limit ws day                            | 0/0
        reserve h 9 key=1                       | budget_exhausted limit=ws.month
        limit ws month                          | 0/0
        reserve h 9 key=1                       | budget_exhausted limit=ws.life
        limit ws life                           | 0/0
        reserve h 9 key=1                       | insufficient_balance required=9 available=0 held=0
    """,
    "refusals_come_in_order_id_book_amount_claim_limit_balance": """
        reserve h1 -1 claim=c                   | no_book
        open id=x                               | 0/0
        credit 10                               | 10/0
        limit ws day requests=1                 | 10/0
        reserve h1 10 claim=c                   | 0/10
        reserve h2 -1 claim=c body=other id=x   | command_conflict
        reserve h2 -1 claim=c body=other        | invalid_amount
        reserve h2 99 claim=c body=other        | claim_conflict
        reserve h2 99 claim=c                   | claim_running state=dispatched
        reserve h2 99                           | requests_exhausted limit=ws.day
        limit ws day                            | 0/10
        reserve h2 99                           | insufficient_balance required=99
        settle h1 -1                            | invalid_amount
        settle nothing -1                       | invalid_amount
        settle nothing 1                        | hold_not_found
    """,
    "an_amount_that_cannot_be_is_refused_whatever_command_carries_it": """
        open                                    | 0/0
        reserve h1 0                            | 0/0
        settle h1 100000000000000001            | invalid_amount
        settle h1 1 cost=-1                     | invalid_amount
        settle h1 1 cost=100000000000000001     | invalid_amount
        release h1 cost=-1                      | invalid_amount
        release h1 cost=100000000000000001      | invalid_amount
        lose h1                                 | 0/0
        writeoff h1 cost=-1                     | invalid_amount
        writeoff h1 cost=100000000000000001     | invalid_amount
        limit ws day requests=-1                | invalid_amount
        limit ws day dollars=-1                 | invalid_amount
        limit ws day dollars=4000000000000000001 | invalid_amount
        writeoff h1                             | 0/0 state=written_off
        sums                                    |
    """,
    "a_day_starts_anew_at_midnight_utc_and_a_month_and_a_lifetime_do_not": """
        open                                    | 0/0
        credit 100                              | 100/0
        clock 2026-11-29T23:59:59.999999        |
        limit 1 day requests=1                  | 100/0
        limit 1 month requests=3                | 100/0
        limit 1 life requests=4                 | 100/0
        reserve a 1 key=1                       | 99/1
        reserve b 1 key=1                       | requests_exhausted limit=1.day
        clock 2026-11-30T00:00:00               |
        reserve b 1 key=1                       | 98/2
        clock 2026-11-30T23:59:59.999999        |
        reserve c 1 key=1                       | requests_exhausted limit=1.day
        clock 2026-12-01T00:00:00               |
        window 1 month                          | none
        reserve c 1 key=1                       | 97/3
        window 1 month                          | requests=0+1 dollars=0+1
        clock 2026-12-02T00:00:00               |
        reserve d 1 key=1                       | 96/4
        clock 2026-12-31T23:59:59               |
        reserve e 1 key=1                       | requests_exhausted limit=1.life
        window 1 month                          | requests=0+2 dollars=0+2
        clock 2027-02-28T12:00:00               |
        reserve e 1 key=1                       | requests_exhausted limit=1.life
    """,
    "a_hold_of_one_day_never_changes_the_next": """
        open                                    | 0/0
        credit 100                              | 100/0
        limit ws day requests=1 dollars=40      | 100/0
        limit ws month dollars=100              | 100/0
        clock 2026-11-30T23:59:59.999999        |
        reserve a 40                            | 60/40
        clock 2026-12-01T00:00:00               |
        reserve b 40                            | 20/80
        settle a 30                             | 30/40
        window ws day                           | requests=0+1 dollars=0+40
        window ws month                         | requests=0+1 dollars=0+40
        settle b 10                             | 60/0
        window ws day                           | requests=1+0 dollars=10+0
        clock 2026-11-30T23:59:59.999999        |
        window ws day                           | requests=1+0 dollars=30+0
        window ws month                         | requests=1+0 dollars=30+0
    """,
    "a_limit_that_is_set_counts_what_was_used_before_it": """
        open                                    | 0/0
        credit 100                              | 100/0
        reserve a 9 key=1                       | 91/9
        settle a 9                              | 91/0
        reserve b 5 key=2                       | 86/5
        settle b 5                              | 86/0
        reserve c 5 key=1                       | 81/5
        release c counted                       | 86/0
        limit 1 day requests=3 dollars=10 used_requests=2 used_dollars=9    | 86/0
        limit ws day dollars=15 used_requests=3 used_dollars=14             | 86/0
        window 1 day                            | requests=2+0 dollars=9+0
        window ws day                           | requests=3+0 dollars=14+0
        reserve d 2 key=1                       | budget_exhausted limit=1.day required=2 available=1
        reserve d 1 key=1                       | 85/1
        reserve e 0 key=1                       | requests_exhausted limit=1.day
        reserve f 1 key=2                       | budget_exhausted limit=ws.day required=1 available=0
    """,
    "a_limit_below_what_was_used_refuses_and_a_lifted_limit_goes_on_counting": """
        open                                    | 0/0
        credit 100                              | 100/0
        limit ws life requests=2                | 100/0
        reserve a 1                             | 99/1
        reserve b 1                             | 98/2
        limit ws life requests=1                | 98/2
        settle a 1                              | 98/1
        settle b 1                              | 98/0
        reserve c 1                             | requests_exhausted limit=ws.life
        limit ws life                           | 98/0
        reserve c 1                             | 97/1
        limit ws life requests=4                | 97/1
        reserve d 1                             | 96/2
        reserve e 1                             | requests_exhausted limit=ws.life
        window ws life                          | requests=2+2 dollars=2+2
    """,
    "all_limits_move_together_or_not_at_all": """
        open                                    | 0/0
        credit 100                              | 100/0
        limit 1 day requests=9                  | 100/0
        limit 1 month dollars=9                 | 100/0
        limit ws day dollars=99                 | 100/0
        reserve a 10 key=1                      | budget_exhausted limit=1.month
        window 1 day                            | requests=0+0 dollars=0+0
        window ws day                           | requests=0+0 dollars=0+0
        reserve a 9 key=1                       | 91/9
        window 1 day                            | requests=0+1 dollars=0+9
        window 1 month                          | requests=0+1 dollars=0+9
        window ws day                           | requests=0+1 dollars=0+9
        settle a 4                              | 96/0
        window 1 day                            | requests=1+0 dollars=4+0
        window 1 month                          | requests=1+0 dollars=4+0
        window ws day                           | requests=1+0 dollars=4+0
    """,
}
