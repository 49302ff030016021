"""Every private or undocumented name of a library that the product uses, in one table.

A library may change such a name in any version. So each row says where it is used, why nothing
public does, and which test fails without it; the library has an upper bound in pyproject.toml.
`tests/test_private_names.py` holds the table against the code in both directions. `make newest`
says whether the bound can move.

Most tests were found by renaming the name in the product and looking which test fails.
"""

from typing import NamedTuple

ADMIN, PLATFORM, API, DEPLOY = (
    "admin/trivet_admin",
    "platform/trivet",
    "api/trivet_api",
    "deploy/trivet_deploy",
)
REALTIME = "realtime/trivet_realtime"


class PrivateName(NamedTuple):
    """One row: `where` is a file, `test` a test's file and function."""

    library: str
    name: str
    where: str
    why: str
    test: str


PRIVATE_NAMES = [
    # Pydantic: a word of SQLModel's that it does not know
    PrivateName(
        "pydantic",
        "_attributes_set",
        f"{PLATFORM}/data/fitting/declared.py",
        "SQLModel's regex= is handed over as an attribute without a name, and kept here alone",
        "tests/api/resource/test_oddities.py::"
        "test_bounds_of_a_class_of_pydantic_hold_for_whatever_is_sent",
    ),
    # SQLAlchemy: of which row a subquery of a row rule speaks, and which rules are the same
    PrivateName(
        "sqlalchemy",
        "_correlate",
        f"{PLATFORM}/delivery/row_conditions.py",
        "what a subquery was told to correlate; SQLAlchemy asks it itself when it renders",
        "tests/realtime/test_live_conditions.py::"
        "test_a_condition_shows_of_new_rows_those_that_the_table_shows",
    ),
    PrivateName(
        "sqlalchemy",
        "_correlate_except",
        f"{PLATFORM}/delivery/row_conditions.py",
        "the same for all but some",
        "tests/realtime/test_live_conditions.py::"
        "test_a_condition_shows_of_new_rows_those_that_the_table_shows",
    ),
    PrivateName(
        "sqlalchemy",
        "_auto_correlate",
        f"{PLATFORM}/delivery/row_conditions.py",
        "whether it was told to correlate nothing",
        "tests/realtime/test_live_conditions.py::"
        "test_a_condition_shows_of_new_rows_those_that_the_table_shows",
    ),
    PrivateName(
        "sqlalchemy",
        "_from_obj",
        f"{PLATFORM}/rules/correlation.py",
        "from which tables a sub-select reads because its author has said so",
        "tests/platform/test_correlation.py::test_a_table_that_is_read_as_a_whole_is_named",
    ),
    PrivateName(
        "sqlalchemy",
        "_generate_cache_key",
        f"{REALTIME}/live_channels.py",
        "conditions of the same SQL and values are asked once; compare() is for pairs",
        "tests/realtime/test_live_conditions.py::test_conditions_of_the_same_meaning_are_one",
    ),
    PrivateName(
        "sqlalchemy",
        "_generate_cache_key",
        f"{PLATFORM}/data/tenant_setting.py",
        "what decides the text of a question about tenants, which is compiled once, and its values",
        "tests/tenancy/test_row_security.py::"
        "test_a_service_that_asks_no_rule_sees_the_rows_of_its_tenants",
    ),
    # Django: the identity that the root established
    PrivateName(
        "django",
        "_cached_user",
        f"{ADMIN}/middleware.py",
        "request.user without a query; Django has no setter for who a request is",
        "tests/admin/test_sessions.py::test_django_makes_no_query_of_its_own_for_identity",
    ),
    PrivateName(
        "django",
        "_acached_user",
        f"{ADMIN}/middleware.py",
        "the same for request.auser()",
        "tests/admin/test_pins.py::test_an_async_view_knows_the_user_without_a_query",
    ),
    PrivateName(
        "django",
        "_perm_cache",
        f"{ADMIN}/auth/sessions.py",
        "the permissions that were read already",
        "tests/admin/test_sessions.py::test_django_makes_no_query_of_its_own_for_identity",
    ),
    # psycopg: the time limit behind a pooler
    # psycopg: prepared statements without a cursor, together with the ends of a transaction
    PrivateName(
        "psycopg",
        "_prepared",
        f"{PLATFORM}/data/exchange.py",
        "the names of its prepared statements, which it forgets at a ROLLBACK; two lists of names "
        "on one connection would contradict each other",
        "tests/platform/test_exchange.py::"
        "test_statements_that_a_rollback_has_made_forgotten_are_prepared_again",
    ),
    PrivateName(
        "psycopg",
        "_preparing",
        f"{PLATFORM}/data/exchange.py",
        "the answers of that list: known, to be prepared, not to be prepared",
        "tests/platform/test_exchange.py::"
        "test_a_row_is_written_published_and_audited_in_three_exchanges",
    ),
    PrivateName(
        "psycopg",
        "_get_tx_start_command",
        f"{PLATFORM}/data/postgresql_connection.py",
        "the BEGIN of the connection's level, to be sent with the first statement",
        "tests/platform/test_exchange.py::"
        "test_a_row_is_written_published_and_audited_in_three_exchanges",
    ),
    PrivateName(
        "psycopg",
        "_rollback_gen",
        f"{PLATFORM}/data/postgresql_connection.py",
        "the end of a transaction whose COMMIT was not reached; rollback() takes a lock that is "
        "held",
        "tests/platform/test_exchange.py::test_a_change_whose_entry_is_refused_is_not_committed",
    ),
    # SQLAlchemy: statements that go past its execution
    PrivateName(
        "sqlalchemy",
        "_handle_dbapi_exception",
        f"{PLATFORM}/fixed_statements.py",
        "an error of the driver becomes SQLAlchemy's, its listeners hear of it, and a connection "
        "that is lost leaves the pool; nothing public does that for a statement of one's own",
        "tests/platform/test_exchange.py::test_a_server_that_leaves_is_one_failure_and_no_trap",
    ),
    PrivateName(
        "sqlalchemy",
        "_emit_insert_statements",
        f"{PLATFORM}/data/single_inserts.py",
        "the one place between the rows of a flush and their statements",
        "tests/platform/test_single_inserts.py::test_the_common_rows_do_go_past_sqlalchemy",
    ),
    PrivateName(
        "sqlalchemy",
        "_collect_insert_commands",
        f"{PLATFORM}/data/bulk/light_rows.py",
        "the parameters of a new row, with all that a flush does for them",
        "tests/platform/test_rows.py::test_new_rows",
    ),
    PrivateName(
        "sqlalchemy",
        "_collect_update_commands",
        f"{PLATFORM}/data/bulk/light_rows.py",
        "the parameters of a changed row, and its next version",
        "tests/platform/test_rows.py::test_changed_rows",
    ),
    PrivateName(
        "sqlalchemy",
        "_label",
        f"{PLATFORM}/data/bulk/direct.py",
        "the names of parameters that the flush has for keys and versions",
        "tests/platform/test_bulk_flush.py::"
        "test_one_row_that_somebody_else_changed_meanwhile_refuses_all",
    ),
    PrivateName(
        "sqlalchemy",
        "_postfetch",
        f"{PLATFORM}/data/single_inserts.py",
        "what the flush does with an object behind its INSERT: defaults, versions, keys of bases",
        "tests/platform/test_single_inserts.py::test_a_row_is_the_same_by_both_ways",
    ),
    PrivateName(
        "sqlalchemy",
        "_server_default_cols",
        f"{PLATFORM}/data/single_inserts.py",
        "the columns that the flush asks for by RETURNING",
        "tests/platform/test_single_inserts.py::test_a_row_is_the_same_by_both_ways",
    ),
    PrivateName(
        "sqlalchemy",
        "_collect_insert_commands",
        f"{PLATFORM}/data/single_inserts.py",
        "what a flush makes of an object for its INSERT",
        "tests/platform/test_lone_inserts.py::test_a_row_is_the_same_without_a_session",
    ),
    PrivateName(
        "sqlalchemy",
        "_readonly_props",
        f"{PLATFORM}/data/lone_inserts.py",
        "columns of expressions, which a flush has to read again",
        "tests/platform/test_lone_inserts.py::test_a_column_of_an_expression_needs_a_session",
    ),
    PrivateName(
        "sqlalchemy",
        "_clslevel",
        f"{PLATFORM}/data/strangers.py",
        "who listens to every session, for whom there has to be one",
        "tests/platform/test_lone_inserts.py::"
        "test_where_somebody_has_a_say_in_it_a_session_does_it",
    ),
    PrivateName(
        "psycopg",
        "_exec_command",
        f"{PLATFORM}/data/postgresql_connection.py",
        "a BEGIN goes with the limit of its statements, in one message; a hook there is none",
        "tests/platform/test_statement_limit.py::"
        "test_every_transaction_has_the_limit_and_the_session_has_not",
    ),
    PrivateName(
        "psycopg",
        "_start_query",
        f"{PLATFORM}/data/postgresql_connection.py",
        "a replica's connection that is lost is found by its BEGIN, before anybody has read; no "
        "public call sends one by itself",
        "tests/deploy/replicas/test_states.py::test_a_replica_that_dies_takes_no_reader_along",
    ),
    # Django: its URL patterns
    PrivateName(
        "django",
        "simplify_regex",
        f"{ADMIN}/mount.py",
        "the list of routes reads as paths; only Django's own documentation pages say a regex so",
        "tests/admin/test_mounting.py::test_a_pattern_reads_as_a_path",
    ),
    # Django: the unit of work in its database backend
    PrivateName(
        "django",
        "_savepoint",
        f"{ADMIN}/backends/wrapper.py",
        "a savepoint marks what is captured; Django announces none",
        "tests/admin/test_orm_units.py::"
        "test_a_savepoint_takes_its_own_publications_with_it_and_no_others",
    ),
    PrivateName(
        "django",
        "_savepoint_commit",
        f"{ADMIN}/backends/wrapper.py",
        "what SQLAlchemy holds is flushed before its savepoint ends",
        "tests/admin/test_orm_units.py::"
        "test_what_a_service_left_unflushed_is_checked_when_its_savepoint_ends",
    ),
    PrivateName(
        "django",
        "_savepoint_rollback",
        f"{ADMIN}/backends/wrapper.py",
        "what was captured since the mark is forgotten",
        "tests/admin/test_orm_units.py::"
        "test_a_savepoint_takes_its_own_publications_with_it_and_no_others",
    ),
    PrivateName(
        "django",
        "rollback_exc",
        f"{ADMIN}/backends/wrapper.py",
        "the error that doomed the transaction is raised instead of a rollback in silence",
        "tests/admin/test_pins.py::test_an_error_that_doomed_a_transaction_is_raised_at_its_end",
    ),
    PrivateName(
        "django",
        "_start_transaction_under_autocommit",
        f"{ADMIN}/backends/sqlite3/base.py",
        "a transaction that only reads begins without the write lock",
        "tests/admin/test_pins.py::test_a_reader_on_sqlite_does_not_wait_for_a_writer",
    ),
    PrivateName(
        "django",
        "_connection_pools",
        f"{ADMIN}/backends/postgresql/base.py",
        "a new pool is closed when the process ends",
        "tests/admin/test_lost_connections.py::"
        "test_a_transaction_that_lost_its_connection_asks_for_no_other",
    ),
    PrivateName(
        "django",
        "run_on_commit",
        f"{ADMIN}/users/revocation_batch.py",
        "revocations are told before anybody's hook that may fail",
        "tests/admin/test_revocation.py::"
        "test_a_hook_of_somebody_else_that_fails_keeps_nobody_in_trust",
    ),
    PrivateName(
        "django",
        "_resource_closers",
        f"{ADMIN}/middleware.py",
        "writes are refused until a streamed body has ended",
        "tests/admin/test_refusals.py::test_a_streamed_page_may_read_and_not_write",
    ),
    # Django: writes of mirrored models
    PrivateName(
        "django",
        "_do_update",
        f"{ADMIN}/mirror/model.py",
        "the loaded version goes with the values of an update",
        "tests/admin/test_orm_saves.py::test_save_of_a_loaded_object_raises_its_version",
    ),
    PrivateName(
        "django",
        "execute_returning_sql",
        f"{ADMIN}/backends/compilers.py",
        "the update of Django 6 that returns columns",
        "tests/admin/test_pins.py::test_the_compilers_execute_what_we_override",
    ),
    PrivateName(
        "django",
        "pre_save_val",
        f"{ADMIN}/backends/compilers.py",
        "the values of an insert as Django prepares them",
        "tests/admin/test_orm_saves.py::test_save_of_a_new_object",
    ),
    PrivateName(
        "django",
        "get_initial_alias",
        f"{ADMIN}/backends/rows.py",
        "the rows of an update are selected and locked first",
        "tests/admin/test_orm_saves.py::test_save_of_a_loaded_object_raises_its_version",
    ),
    PrivateName(
        "django",
        "_base_manager",
        f"{ADMIN}/backends/row_observer.py",
        "rows are read without the filters of a model's own manager",
        "tests/admin/test_revocation.py::test_logout_in_the_admin_ends_the_session_everywhere",
    ),
    PrivateName(
        "django",
        "_get_validation_exclusions",
        f"{ADMIN}/site/forms.py",
        "a value that stays as it is need not be one that could be given today",
        "tests/admin/test_type_forms.py::test_a_value_of_old_does_not_keep_others_from_being_saved",
    ),
    PrivateName(
        "django",
        "_post_clean",
        f"{ADMIN}/site/forms.py",
        "what a validator of the mapped class says stands at its field",
        "tests/admin/test_pins.py::test_a_form_validates_its_instance_in_post_clean",
    ),
    PrivateName(
        "django",
        "_save_m2m",
        f"{ADMIN}/site/forms.py",
        "members that a visitor does not see are not taken away by a form without them",
        "tests/admin/test_pins.py::test_a_form_writes_its_members_in_save_m2m",
    ),
    PrivateName(
        "django",
        "_registry",
        f"{ADMIN}/audit/admin.py",
        "the kinds of objects to filter by are those that the admin shows",
        "tests/admin/test_audit.py::test_the_list_finds_entries_by_who_what_and_where",
    ),
    PrivateName(
        "django",
        "_messages",
        f"{DEPLOY}/checks/pages.py",
        "a page that is opened by nobody may leave a message",
        "tests/deploy/test_cli_pages.py::test_a_page_that_cannot_be_shown_is_told_with_its_address",
    ),
    PrivateName(
        "django",
        "_field_list_filters",
        f"{ADMIN}/site/filters.py",
        "which filter a name of list_filter stands for, before it is made",
        "tests/admin/test_choices.py::test_a_filter_over_many_rows_searches_for_one",
    ),
    PrivateName(
        "django",
        "_check_unique_target",
        f"{ADMIN}/mirror/row_references.py",
        "Django knows no unique index; the database has judged the reference already",
        "tests/admin/test_pins.py::test_a_reference_is_asked_whether_its_target_is_unique",
    ),
    PrivateName(
        "django",
        "_check_date_hierarchy",
        f"{ADMIN}/site/admin_checks.py",
        "a datetime of SQLAlchemy's has years, months and days too",
        "tests/admin/test_date_hierarchies.py::test_a_column_that_has_no_days_is_refused",
    ),
    # SQLAlchemy
    PrivateName(
        "sqlalchemy",
        "_generate_cache_key",
        f"{API}/resource/statements.py",
        "what decides the text of a rule's condition, and its parameters; only compiling tells too",
        "tests/api/resource/test_seen_rows.py::"
        "test_a_statement_is_kept_for_all_actors_and_has_the_values_of_each",
    ),
    PrivateName(
        "sqlalchemy",
        "_reverse_property",
        f"{ADMIN}/mirror/relations.py",
        "the name of a relation's other side",
        "tests/admin/test_pins.py::test_a_relationship_knows_its_reverse",
    ),
    PrivateName(
        "sqlalchemy",
        "_flushing",
        f"{PLATFORM}/data/statement_guard.py",
        "the flush's own statements are told from others",
        "tests/platform/test_capture_holes.py::"
        "test_what_no_flush_would_see_is_refused_with_a_sentence",
    ),
    PrivateName(
        "sqlalchemy",
        "_emit_update_statements",
        f"{PLATFORM}/data/bulk/updates.py",
        "the updates of versioned rows are executed as many; nothing public decides that",
        "tests/platform/test_bulk_flush.py::test_many_updates_are_one_statement",
    ),
    PrivateName(
        "sqlalchemy",
        "_deliver_insertmanyvalues_batches",
        f"{PLATFORM}/data/bulk/inserts.py",
        "the rows of an INSERT become arrays before SQLAlchemy writes them out",
        "tests/platform/test_bulk_flush.py::test_many_inserts_are_one_statement_of_few_parameters",
    ),
    PrivateName(
        "sqlalchemy",
        "_insertmanyvalues",
        f"{PLATFORM}/data/bulk/inserts.py",
        "the parts of the text of such an INSERT",
        "tests/platform/test_bulk_flush.py::test_many_inserts_are_one_statement_of_few_parameters",
    ),
    PrivateName(
        "sqlalchemy",
        "_insertmanyvalues_rows",
        f"{PLATFORM}/data/bulk/inserts.py",
        "where SQLAlchemy looks for the keys that came back",
        "tests/platform/test_bulk_flush.py::test_new_rows_get_their_keys_in_the_order_of_their_adding",
    ),
    PrivateName(
        "sqlalchemy",
        "_pending_mutations",
        f"{PLATFORM}/events/feed_loading.py",
        "a collection that was changed before it was loaded keeps its changes",
        "tests/platform/test_capture_ways.py::test_a_change_is_captured_with_its_old_values",
    ),
    PrivateName(
        "sqlalchemy",
        "_all_registries",
        f"{PLATFORM}/models/mapped.py",
        "every mapped class is found, whatever base or registry it stands on",
        "tests/admin/test_mapped_classes.py::test_one_question_has_one_answer",
    ),
    PrivateName(
        "sqlalchemy",
        "_managers",
        f"{PLATFORM}/models/mapped.py",
        "the classes of a registry, also while one of them could not be mapped to the end",
        "tests/admin/test_mapped_classes.py::test_one_question_has_one_answer",
    ),
    PrivateName(
        "sqlalchemy",
        "_has_native_hstore",
        f"{ADMIN}/backends/shared_connection.py",
        "a dialect knows it with its first connection, and fields ask it before there is one",
        "tests/admin/test_types.py::test_types_that_one_database_has_alone_are_read_and_found_too",
    ),
    PrivateName(
        "sqlalchemy",
        "_double_percents",
        f"{PLATFORM}/migrations/scope.py",
        "a new revision says % once, and Alembic compiles for the driver, which wants it twice",
        "tests/platform/test_migration_differences.py::"
        "test_a_change_is_seen_and_its_revision_leaves_no_difference_there_and_back",
    ),
    # Starlette: a body of JSON that is read without its stream
    PrivateName(
        "starlette",
        "_receive",
        f"{API}/json_body.py",
        "the first message, which mostly is the whole body",
        "tests/api/test_json_body.py::test_a_body_that_was_read_is_starlettes_too",
    ),
    PrivateName(
        "starlette",
        "_body",
        f"{API}/json_body.py",
        "a body that was read is there for whoever asks Starlette",
        "tests/api/test_json_body.py::test_a_body_that_was_read_is_starlettes_too",
    ),
    PrivateName(
        "starlette",
        "_json",
        f"{API}/json_body.py",
        "the same for its value",
        "tests/api/test_json_body.py::test_a_body_that_was_read_is_starlettes_too",
    ),
    PrivateName(
        "starlette",
        "_stream_consumed",
        f"{API}/json_body.py",
        "nobody waits for a body that is gone",
        "tests/api/test_json_body.py::test_a_body_that_somebody_has_streamed_is_not_waited_for_again",
    ),
    # SQLAlchemy's pool: connections that are taken without a greenlet, and one queue for all
    PrivateName(
        "sqlalchemy",
        "_do_get",
        f"{PLATFORM}/data/pool.py",
        "what subclasses of a pool are made of: a connection, with no object around it",
        "tests/platform/test_compiled_reads.py::"
        "test_who_waits_for_a_connection_gets_it_in_the_order_of_coming",
    ),
    PrivateName(
        "sqlalchemy",
        "_do_return_conn",
        f"{PLATFORM}/data/pool.py",
        "its counterpart",
        "tests/platform/test_compiled_reads.py::"
        "test_who_waits_for_a_connection_gets_it_in_the_order_of_coming",
    ),
    PrivateName(
        "sqlalchemy",
        "_queue_class",
        f"{PLATFORM}/data/pool.py",
        "where idle connections wait; SQLAlchemy's own is one of asyncio's, and computes more",
        "tests/platform/test_compiled_reads.py::test_idle_connections_wait_in_the_pools_own_queue",
    ),
    PrivateName(
        "sqlalchemy",
        "_is_hard_or_soft_invalidated",
        f"{PLATFORM}/data/postgresql.py",
        "whether a connection that was taken so is still one; `connect` asks it itself",
        "tests/platform/test_compiled_reads.py::test_a_connection_that_was_given_up_is_not_asked",
    ),
    # Alembic, asgiref, uvicorn, FastAPI
    PrivateName(
        "alembic",
        "_resolved_dependencies",
        f"{PLATFORM}/migrations/history.py",
        "the order of a feature's revisions among those that they depend on",
        "tests/deploy/test_cli_migrate.py::"
        "test_migrate_makes_the_schema_of_both_and_then_has_nothing_to_do",
    ),
    PrivateName(
        "uvicorn",
        "BaseReload",
        f"{DEPLOY}/server/reloading.py",
        "`trivet dev` watches the files of a project, and no others",
        "tests/deploy/test_dev.py::test_what_is_nobodys_source_is_not_watched",
    ),
    PrivateName(
        "uvicorn",
        "HttpToolsProtocol",
        f"{DEPLOY}/server/bounded_http.py",
        "a request whose head is never finished is cut off",
        "tests/deploy/test_hostile_clients.py::test_a_head_that_is_never_finished_ends_in_408",
    ),
    PrivateName(
        "uvicorn",
        "_unset_keepalive_if_required",
        f"{DEPLOY}/server/bounded_http.py",
        "a request that asks for a protocol which nobody speaks keeps its body",
        "tests/deploy/test_upgrades.py::test_the_parent_has_what_is_done_in_its_place",
    ),
    PrivateName(
        "uvicorn",
        "_should_upgrade",
        f"{DEPLOY}/server/bounded_http.py",
        "what asks for a WebSocket is told from what asks for another protocol, as HTTP says",
        "tests/deploy/test_upgrades.py::test_the_parent_has_what_is_done_in_its_place",
    ),
    PrivateName(
        "uvicorn-worker",
        "_serve",
        f"{DEPLOY}/server/gunicorn_worker.py",
        "a worker serves with a server that costs nobody a request when it stops",
        "tests/deploy/test_workers.py::test_a_worker_that_is_replaced_sends_its_streams_elsewhere",
    ),
    PrivateName(
        "uvicorn",
        "WebSocketsSansIOProtocol",
        f"{DEPLOY}/server/frames_protocol.py",
        "one prepared message goes to many sockets, and a stopping server asks them first",
        "tests/deploy/test_frames_protocol.py::test_the_parent_has_what_is_overridden_and_used",
    ),
    PrivateName(
        "fastapi",
        "_low_priority_routes",
        f"{API}/include.py",
        "a router with files of its own is left to FastAPI whole",
        "tests/api/test_policies.py::test_files_with_a_policy_are_listed_and_kept_from_whom_it_does_not_let_pass",
    ),
    PrivateName(
        "fastapi",
        "_match",
        f"{API}/include.py",
        "the policy that is asked is that of the route which FastAPI chooses",
        "tests/api/test_mount.py::test_who_may_not_call_does_not_learn_what_the_body_should_be",
    ),
]
