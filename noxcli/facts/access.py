"""Facts about the way to the API: address, key, errors, limits, redirects."""

from noxcli.facts.fact import ApiFact, assumed, from_docs, from_sdk

_STATUSES = "api/test_client.py::test_a_status_has_its_error_code_and_hint"
ACCESS_FACTS = (
    ApiFact(
        name="base_url",
        statement="the API is at https://backend.noxus.ai unless NOXUS_BACKEND_URL names another address",
        source=from_sdk("client.py", 52, 54, '"NOXUS_BACKEND_URL", "https://backend.noxus.ai"'),
        left_open="whether a key's workspace lives there: a second production host is on record",
        tests=("config/test_settings.py::test_the_server_comes_from_flag_own_variable_sdk_variable_default",),
    ),
    ApiFact(
        name="key_header",
        statement="each request has the key in X-API-Key",
        source=from_sdk("client.py", 101, 101, '{"X-API-Key": self.api_key}'),
        tests=("api/test_client.py::test_a_call_is_one_request_with_key_and_name",),
    ),
    ApiFact(
        name="key_form",
        statement="a key may have any form",
        source=from_docs("sdk/concepts/authentication"),
        tests=("config/test_settings.py::test_a_key_may_have_any_form",),
    ),
    ApiFact(
        name="bad_key",
        statement="a wrong or missing key gets 401",
        source=from_sdk("errors.py", 68, 69, "the API key is missing or invalid"),
        left_open="403 instead, which some frameworks send for a missing header",
        switches=("key_refusal",),
        tests=("test_alternatives.py::test_a_wrong_key_is_told_as_one_whatever_the_status",),
    ),
    ApiFact(
        name="missing_permission",
        statement="a key that may not do something gets 403",
        source=from_sdk("errors.py", 72, 73, "the API key lacks permission for this resource"),
        tests=(_STATUSES,),
    ),
    ApiFact(
        name="errors",
        statement="an error is an object with detail",
        source=from_sdk("errors.py", 109, 110, '("detail", "message", "error")'),
        left_open="the texts, other forms, and what gateways answer",
        switches=("error_body",),
        tests=(
            "api/test_client.py::test_an_error_body_becomes_one_readable_line",
            "test_alternatives.py::test_an_error_is_one_line_with_its_code_in_any_form",
        ),
    ),
    ApiFact(
        name="request_ids",
        statement="an answer has a request id in its headers",
        source=from_sdk("errors.py", 49, 51, '"x-noxus-request-id"'),
        tests=("api/test_client.py::test_the_log_sees_method_path_outcome_and_request_id_only",),
    ),
    ApiFact(
        name="rate_limit",
        statement="too many requests get 429, perhaps with Retry-After, and nothing was done",
        source=from_sdk("client.py", 108, 115, 'response.headers.get("Retry-After")'),
        left_open="the limits, and the form of the header",
        switches=("rate_limit", "retry_after", "retry_after_seconds"),
        tests=(
            "batch/test_pace.py::test_a_server_with_a_limit_gets_every_row_once",
            "test_alternatives.py::test_a_limit_is_waited_for_as_long_as_it_says",
        ),
    ),
    ApiFact(
        name="gateway",
        statement="a 503 without the API's own JSON proves nothing about a start",
        source=assumed("gateways such as Envoy send it after they have forwarded a request"),
        left_open="whether the gateways before the API do",
        switches=("gateway_refusals",),
        tests=(
            "faults/test_gateway.py::test_what_was_passed_on_is_not_sent_again",
            "test_alternatives.py::test_a_start_that_a_gateway_passed_on_is_not_sent_again",
        ),
    ),
    ApiFact(
        name="redirects",
        statement="the API may redirect reads; no redirect may take the key to another origin",
        source=from_sdk("client.py", 63, 66, "follow_redirects=True"),
        left_open="whether it ever does",
        tests=(
            "api/test_client.py::test_a_read_follows_a_redirect",
            "api/test_api_security.py::test_the_key_stays_home_when_another_host_is_redirected_to",
        ),
    ),
    ApiFact(
        name="who_am_i",
        statement="the key's own record is at /v1/admin/me, and its value may be the key",
        source=from_sdk("resources/admin.py", 58, 60, '"/v1/admin/me"'),
        tests=("api/test_client.py::test_the_answer_about_the_key_leaves_the_key_out",),
    ),
)
