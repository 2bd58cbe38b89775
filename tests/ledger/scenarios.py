"""What the ledger promises, as tables. Amounts are nano-USD. `script.py` says how a row is read."""

SCENARIOS: dict[str, str] = {
    "credit_adds_to_what_is_available_and_takes_back_only_that": """
        credit 100                              | no_book
        open                                    | 0/0
        open                                    | 0/0
        credit 100                              | 100/0 amount=100
        credit -30                              | 70/0 amount=-30
        reserve h1 50                           | 20/50
        credit -21                              | balance_held required=21 available=20 held=50
        credit -71                              | insufficient_balance required=71 available=20 held=50
        credit -20                              | 0/50
        credit 0                                | invalid_amount
        credit 100000000000000001               | invalid_amount
        credit -100000000000000001              | invalid_amount
        settle h1 50                            | 0/0 charge=50
        account cash                            | 0/0
        sums                                    | manual_credit=-50 customer_cash=0 revenue:m=50
    """,
    "a_balance_stays_far_below_the_64_bit_edge": """
        open                                    | 0/0
    """
    + "".join(f"credit 100000000000000000 | {n}00000000000000000/0\n" for n in range(1, 41))
    + """
        credit 1                                | invalid_amount available=4000000000000000000
        reserve h1 100000000000000001           | invalid_amount
        reserve h1 -1                           | invalid_amount
        reserve h1 100000000000000000           | 3900000000000000000/100000000000000000
    """,
    "a_hold_takes_from_available_and_settling_below_it_gives_the_rest_back": """
        open                                    | 0/0
        credit 100                              | 100/0
        reserve h1 60                           | 40/60 amount=60 state=dispatched
        account cash                            | 100/60
        settle h1 45 cost=30                    | 55/0 amount=60 charge=45 absorbed=0 state=settled
        account cash                            | 55/0
        sums                                    | customer_cash=55 revenue:m=45 cost:p=-30 payable:p=30
    """,
    "settling_at_the_hold_takes_exactly_that": """
        open                                    | 0/0
        credit 60                               | 60/0
        reserve h1 60                           | 0/60
        settle h1 60                            | 0/0 charge=60 absorbed=0
        sums                                    | customer_cash=0 revenue:m=60
    """,
    "an_overrun_is_taken_from_available_and_what_nothing_covers_is_the_operators": """
        open                                    | 0/0
        credit 100                              | 100/0
        reserve h1 40                           | 60/40
        reserve h2 50                           | 10/90
        settle h1 45                            | 5/50 charge=45 absorbed=0
        settle h2 62                            | 0/0 charge=55 absorbed=7 state=settled
        account cash                            | 0/0
        sums                                    | customer_cash=0 overrun_absorbed=-7 revenue:m=107
    """,
    "an_overrun_never_touches_what_other_calls_hold": """
        open                                    | 0/0
        credit 100                              | 100/0
        reserve h1 40                           | 60/40
        reserve h2 60                           | 0/100
        settle h1 90                            | 0/60 charge=40 absorbed=50
        settle h2 60                            | 0/0 charge=60 absorbed=0
    """,
    "a_hold_of_nothing_settles_for_nothing_or_from_available": """
        open                                    | 0/0
        reserve h1 0                            | 0/0 state=dispatched
        settle h1 0                             | 0/0 charge=0 absorbed=0
        credit 5                                | 5/0
        reserve h2 0                            | 5/0
        settle h2 3                             | 2/0 charge=3 absorbed=0
        reserve h3 0                            | 2/0
        settle h3 3                             | 0/0 charge=2 absorbed=1
    """,
    "money_that_does_not_suffice_is_refused_and_money_that_is_held_is_worth_waiting_for": """
        open                                    | 0/0
        reserve h0 1                            | insufficient_balance required=1 available=0 held=0
        credit 100                              | 100/0
        reserve h1 101                          | insufficient_balance required=101 available=100 held=0
        reserve h2 80                           | 20/80
        reserve h3 21                           | balance_held required=21 available=20 held=80
        reserve h4 100                          | balance_held required=100 available=20 held=80
        reserve h5 101                          | insufficient_balance required=101 available=20 held=80
        account cash                            | 100/80
    """,
    "a_release_gives_all_of_it_back": """
        open                                    | 0/0
        limit ws day requests=5                 | 0/0
        credit 100                              | 100/0
        reserve h1 60                           | 40/60
        window ws day                           | requests=0+1 dollars=0+60
        release h1                              | 100/0 state=released charge=0
        window ws day                           | requests=0+0 dollars=0+0
        reserve h2 60 waiting                   | 40/60 state=reserved
        release h2 counted                      | 100/0 state=released
        window ws day                           | requests=1+0 dollars=0+0
        reserve h3 60                           | 40/60
        release h3 cost=8                       | 100/0
        sums                                    | customer_cash=100 cost:p=-8 payable:p=8
    """,
    "an_upstream_failure_does_not_count_the_request": """
        open                                    | 0/0
        limit 1 day requests=1                  | 0/0
        reserve h1 0 key=1                      | 0/0
        reserve h2 0 key=1                      | requests_exhausted limit=1.day
        release h1                              | 0/0
        reserve h3 0 key=1                      | 0/0
        settle h3 0 uncounted                   | 0/0
        reserve h4 0 key=1                      | 0/0
        release h4 counted                      | 0/0
        reserve h5 0 key=1                      | requests_exhausted limit=1.day
    """,
    "a_lost_call_keeps_its_money_held_until_late_evidence_settles_it": """
        open                                    | 0/0
        credit 100                              | 100/0
        reserve h1 60                           | 40/60
        lose h1                                 | 40/60 state=unknown
        reserve h2 50                           | balance_held required=50 available=40 held=60
        release h1                              | hold_state state=unknown
        settle h1 25                            | 75/0 state=settled_late charge=25
        account cash                            | 75/0
    """,
    "a_lost_call_without_evidence_is_written_off_at_the_operators_cost": """
        open                                    | 0/0
        limit ws day requests=1 dollars=100     | 0/0
        credit 100                              | 100/0
        reserve h1 60                           | 40/60
        lose h1                                 | 40/60
        writeoff h1 cost=33                     | 100/0 state=written_off charge=0
        window ws day                           | requests=0+0 dollars=0+0
        sums                                    | customer_cash=100 cost:p=-33 payable:p=33
    """,
    "an_attempt_that_failed_before_may_cost_the_operator_all_the_same": """
        open                                    | 0/0
        credit 100                              | 100/0
        reserve h1 60                           | 40/60
        settle h1 45 cost=30 failed=-1          | invalid_amount
        settle h1 45 cost=30 failed=4           | 55/0 charge=45
        settle h1 45 cost=30 failed=4           | 55/0 charge=45 replayed
        settle h1 45 cost=30                    | command_conflict
        reserve h2 10                           | 45/10
        release h2 failed=100000000000000001    | invalid_amount
        release h2 failed=5                     | 55/0
        sums                                    | customer_cash=55 revenue:m=45 cost:p=-30 cost:q=-9 payable:q=9
    """,
    "a_refusal_says_what_is_available_in_all": """
        open                                    | 0/0
        credit 100                              | 100/0
        promo p 5                               | 105/0
        limit 1 day requests=1 dollars=9        | 105/0
        reserve h1 10 key=1                     | budget_exhausted limit=1.day required=10 available=9 balance=105
        reserve h2 5 key=1                      | 100/5
        reserve h3 1 key=1                      | requests_exhausted limit=1.day balance=100
        reserve h4 103                          | balance_held required=103 available=100 held=5 balance=100
    """,
    "promotional_credit_is_spent_by_priority_then_expiry_then_age_then_cash": """
        open                                    | 0/0
        credit 10                               | 10/0
        promo never 10 priority=1               | 20/0 amount=10
        promo late 10 priority=1 until=2027-03-01T00:00:00   | 30/0
        promo soon 10 priority=1 until=2027-01-01T00:00:00   | 40/0
        promo twin 10 priority=1 until=2027-01-01T00:00:00   | 50/0
        promo first 10 priority=0               | 60/0
        reserve h1 15                           | 45/15
        account first                           | 10/10
        account soon                            | 10/5
        reserve h2 26                           | 19/41
        account soon                            | 10/10
        account twin                            | 10/10
        account late                            | 10/10
        account never                           | 10/1
        reserve h3 19                           | 0/60
        account never                           | 10/10
        account cash                            | 10/10
        settle h1 12                            | 3/45
        account first                           | 0/0
        account soon                            | 8/5
        settle h2 26                            | 3/19
        settle h3 20                            | 2/0 charge=20 absorbed=0
        account soon                            | 2/0
        account cash                            | 0/0
    """,
    "promotional_use_leaves_no_net_revenue": """
        open                                    | 0/0
        promo p 10                              | 10/0
        credit 10                               | 20/0
        reserve h1 15                           | 5/15
        settle h1 15                            | 5/0 charge=15
        sums                                    | revenue:m=15 promotion_discount=-10 promotion_budget=0 customer_cash=5
    """,
    "an_overrun_uses_the_holds_own_slices_first_then_all_else_in_order": """
        open                                    | 0/0
        credit 10                               | 10/0
        reserve h1 10                           | 0/10
        promo p 4                               | 4/10
        credit 3                                | 7/10
        settle h1 19                            | 0/0 charge=17 absorbed=2
        account p                               | 0/0
        account cash                            | 0/0
        sums                                    | promotion_discount=-4 overrun_absorbed=-2 revenue:m=19
    """,
    "promotional_credit_that_expires_is_not_available_and_is_taken_back_once": """
        open                                    | 0/0
        promo p 10 until=2026-11-20T13:00:00    | 10/0
        expire p                                | 10/0 amount=0
        clock 2026-11-20T12:59:59.999999        |
        reserve h0 10                           | 0/10
        release h0                              | 10/0
        clock 2026-11-20T13:00:00               |
        reserve h1 1                            | insufficient_balance required=1 available=0 held=0
        account p                               | 10/0
        expire p                                | 0/0 amount=10
        account p                               | 0/0
        expire p                                | account_not_found
        expire nothing                          | account_not_found
        expire cash                             | account_not_found
        promo q 1 until=2026-11-20T13:00:00     | invalid_amount
        promo q 0                               | invalid_amount
        promo q -1                              | invalid_amount
        sums                                    | promotion_budget=0
    """,
    "a_slice_that_comes_back_after_its_grant_expired_expires_at_once": """
        open                                    | 0/0
        promo p 10 until=2026-11-20T13:00:00    | 10/0
        reserve h1 4                            | 6/4
        reserve h2 5                            | 1/9
        clock 2026-11-20T13:00:00               |
        expire p                                | 0/9 amount=1
        account p                               | 9/9
        settle h1 3                             | 0/5 charge=3
        account p                               | 5/5
        release h2                              | 0/0
        account p                               | 0/0
        sums                                    | promotion_budget=0 promotion_discount=-3 revenue:m=3
    """,
    "a_hold_made_before_expiry_is_paid_by_its_slice_but_an_overrun_is_not": """
        open                                    | 0/0
        promo p 10 until=2026-11-20T13:00:00    | 10/0
        credit 2                                | 12/0
        reserve h1 4                            | 8/4
        clock 2026-11-21T00:00:00               |
        settle h1 9                             | 0/0 charge=6 absorbed=3
        account p                               | 0/0
        account cash                            | 0/0
        sums                                    | promotion_discount=-4 overrun_absorbed=-3 revenue:m=9
    """,
    "a_written_off_hold_gives_an_expired_slice_back_to_the_budget": """
        open                                    | 0/0
        promo p 10 until=2026-11-20T13:00:00    | 10/0
        reserve h1 10                           | 0/10
        lose h1                                 | 0/10
        clock 2026-11-20T14:00:00               |
        writeoff h1                             | 0/0
        account p                               | 0/0
        expire p                                | account_not_found
    """,
    "a_claim_names_one_call_that_was_not_released": """
        open                                    | 0/0
        credit 100                              | 100/0
        reserve a 10 claim=c waiting            | 90/10
        reserve b 10 claim=c                    | claim_running state=reserved
        reserve b 10 claim=c body=other         | claim_conflict
        dispatch a 1                            | 90/10 state=dispatched
        release a                               | 100/0
        reserve b 10 claim=c body=other         | claim_conflict
        reserve b 10 claim=c                    | 90/10
        lose b                                  | 90/10
        reserve d 10 claim=c                    | claim_running state=unknown
        settle b 10                             | 90/0
        reserve d 10 claim=c                    | claim_finished state=settled_late
        reserve d 10 claim=other                | 80/10
        settle d 0                              | 90/0
        reserve e 10 claim=other                | claim_finished state=settled
        reserve f 10 claim=third                | 80/10
        lose f                                  | 80/10
        writeoff f                              | 90/0
        reserve g 10 claim=third                | claim_finished state=written_off
    """,
    "the_same_id_and_body_get_the_same_answer_for_ever": """
        open                                    | 0/0
        credit 100 id=a                         | 100/0 amount=100
        credit 50 id=b                          | 150/0
        credit 100 id=a                         | 100/0 amount=100 replayed
        clock 2031-01-01T00:00:00               |
        credit 100 id=a                         | 100/0 replayed
        reserve h 60                            | 90/60
        reserve h 60 memo=retry                 | 90/60 replayed
        settle h 20                             | 130/0 charge=20
        reserve h 60                            | 90/60 state=dispatched replayed
        settle h 20                             | 130/0 charge=20 state=settled replayed
        limit ws day requests=1 id=l            | 130/0
        limit ws day requests=1 id=l            | 130/0 replayed
        limit ws day requests=1 id=l used_requests=1 | 130/0 replayed
        account cash                            | 130/0
    """,
    "the_same_id_with_another_body_is_a_conflict_for_ever": """
        open                                    | 0/0
        credit 100 id=a                         | 100/0
        credit 101 id=a                         | command_conflict
        promo p 100 id=a                        | command_conflict
        open id=a                               | command_conflict
        limit ws day requests=1 id=a            | command_conflict
        reserve h 60                            | 40/60
        reserve h 61                            | command_conflict
        reserve h 60 key=2                      | command_conflict
        reserve h 60 claim=c                    | command_conflict
        settle h 20                             | 80/0
        settle h 21                             | command_conflict
        settle h 20 uncounted                   | command_conflict
        release h                               | command_conflict
        account cash                            | 80/0
    """,
    "a_refused_command_is_not_recorded_so_its_id_stays_free": """
        open                                    | 0/0
        credit -5 id=a                          | insufficient_balance required=5
        credit 100 id=a                         | 100/0
        reserve h 101                           | insufficient_balance required=101
        credit 1                                | 101/0
        reserve h 101                           | 0/101
        settle h -1                             | invalid_amount
        settle h 1                              | 100/0
    """,
    "a_call_may_try_several_routes_under_one_hold": """
        open                                    | 0/0
        credit 100                              | 100/0
        reserve h 60 waiting                    | 40/60 state=reserved
        dispatch h 1                            | 40/60 state=dispatched
        dispatch h 2                            | 40/60 state=dispatched
        dispatch h 2                            | 40/60 state=dispatched replayed
        dispatch h 3                            | 40/60 state=dispatched
        settle h 10                             | 90/0 state=settled
    """,
}

# How a hold comes into each state, and what each step then makes of it: a state, or the refusal.
REACHED_BY = {
    "reserved": ["reserve h 10 waiting"],
    "dispatched": ["reserve h 10"],
    "settled": ["reserve h 10", "settle h 5"],
    "released": ["reserve h 10", "release h"],
    "unknown": ["reserve h 10", "lose h"],
    "settled_late": ["reserve h 10", "lose h", "settle h 5"],
    "written_off": ["reserve h 10", "lose h", "writeoff h"],
}
STEPS = ("dispatch h 2 id=new", "settle h 5 id=new", "release h id=new", "lose h id=new", "writeoff h id=new")
LIFE_CYCLE = {
    #                dispatch      settle          release     lose       write off
    "reserved": (    "dispatched", "no",           "released", "no",      "no"),
    "dispatched": (  "dispatched", "settled",      "released", "unknown", "no"),
    "settled": (     "no",         "no",           "no",       "no",      "no"),
    "released": (    "no",         "no",           "no",       "no",      "no"),
    "unknown": (     "no",         "settled_late", "no",       "no",      "written_off"),
    "settled_late": ("no",         "no",           "no",       "no",      "no"),
    "written_off": ( "no",         "no",           "no",       "no",      "no"),
}  # fmt: skip
