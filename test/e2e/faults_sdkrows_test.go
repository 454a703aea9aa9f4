//go:build e2e && linux

package e2e

import "time"

// faultRows is the table of what SDKs do under faults. length is that of the role's document in bytes.
//
// Go waits 500 ms for the header of an answer, 5 s for a whole operation if its caller has no deadline, and tries three times. The
// other two wait 1 s and try once.
func faultRows(length int) []faultRow {
	return append(append(lateRows(), tokenRows()...), append(credentialRows(), bodyRows(length)...)...)
}

// lateRows are about all answers coming late.
func lateRows() []faultRow {
	return []faultRow{
		{
			name: "all answers 300 ms late", faults: []string{`{"delay":"300ms"}`},
			goV2:     tries(ok.within(0.6, 3), ok.within(0.3, 3)).withPuts(1),
			js:       tries(ok.within(0.6, 3), ok.within(0.6, 3)).withPuts(2),
			botocore: tries(ok.within(0.6, 3), ok.within(0.6, 3)).withPuts(2),
		},
		{
			name: "all answers 600 ms late", faults: []string{`{"delay":"600ms"}`},
			goV2:     tries(failed("exceeded").within(4, 9), failed("exceeded").within(2, 9)).withPuts(3), // then IMDSv1 for good
			js:       tries(ok.within(1.2, 4), ok.within(1.2, 4)).withPuts(2),
			botocore: tries(ok.within(1.2, 4), ok.within(1.2, 4)).withPuts(2),
		},
		{
			name: "all answers 1.2 s late", faults: []string{`{"delay":"1200ms"}`},
			goV2:     tries(failed("").within(4, 9), failed("").within(2, 9)),
			js:       tries(failed("TimeoutError").within(1.9, 4), failed("TimeoutError").within(0.9, 4)),
			botocore: tries(none.within(1.9, 4), none.within(1.9, 4)).withPuts(2),
		},
		{
			name: "403 for all", faults: []string{`{"status":403}`},
			goV2:     tries(failed("403"), failed("403")).withPuts(1), // then IMDSv1 for good
			js:       tries(failed(""), failed("")).withPuts(1),
			botocore: tries(none, none).withPuts(2),
		},
	}
}

// tokenRows are about the token request.
func tokenRows() []faultRow {
	return []faultRow{
		{
			name: "token 503", faults: []string{onToken(`"status":503`)},
			goV2:     tries(ok.within(2, 8), ok.within(2, 8)).withPuts(12).by("v1"), // three tries before each GET
			js:       tries(ok, ok).withPuts(2).by("v1"),
			botocore: tries(ok, ok).withPuts(2).by("v1"),
		},
		{
			name: "token 400", faults: []string{onToken(`"status":400`)},
			goV2:     tries(failed("400"), failed("400")).withPuts(2),
			js:       tries(failed("token request returned error"), failed("token request returned error")).withPuts(2),
			botocore: tries(none, none).withPuts(2),
		},
		{
			name: "token unanswered", faults: []string{onToken(`"token_lost":true`)},
			goV2:     tries(ok.within(2.5, 7), ok).withPuts(3).by("v1"), // for good
			js:       tries(ok.within(0.9, 3), ok.within(0.9, 3)).withPuts(2).by("v1"),
			botocore: tries(ok.within(0.9, 3), ok.within(0.9, 3)).withPuts(2).by("v1"),
		},
		{
			name: "token unanswered where it is required", faults: []string{onToken(`"token_lost":true`)}, v2: true,
			goV2:     tries(failed("").within(3, 16), failed("").within(0, 16)),
			js:       tries(failed("").within(0.9, 3), failed("").within(0.9, 3)),
			botocore: tries(none.within(0.9, 3), none.within(0.9, 3)),
		},
		{
			name: "token unanswered where it is required, with a deadline of the caller's", faults: []string{onToken(`"token_lost":true`)}, v2: true,
			goV2: tries(failed("401").within(9, 20)).with("-deadline=30s", "-tries=1"),
		},
		{
			name: "token unanswered once", faults: []string{onToken(`"token_lost":true`, once)},
			goV2:     tries(ok.within(0.4, 5), ok).withPuts(2),
			js:       tries(ok.within(0.9, 3), ok).withPuts(2),
			botocore: tries(ok.within(0.9, 3), ok).withPuts(2),
		},
		{
			name: "token reset", faults: []string{onToken(`"reset":true`)},
			goV2:     tries(ok.within(0, 7), ok).withPuts(3).by("v1"), // for good
			js:       tries(ok, ok).withPuts(2).by("v1"),
			botocore: tries(ok, ok).withPuts(2).by("v1"),
		},
		{
			name: "token without TTL", faults: []string{onToken(`"no_ttl":true`)},
			goV2:     tries(ok, ok).withPuts(4).by("v1"), // one before each GET
			js:       tries(ok, ok).withPuts(2).by("v2"),
			botocore: tries(ok, ok).withPuts(2).by("v2"),
		},
		{
			name: "401 for every GET", faults: []string{`{"match":{"methods":["GET"]},"status":401}`},
			goV2:     tries(failed("401").within(1, 6), failed("401").within(1, 6)).withPuts(6),
			js:       tries(failed(""), failed("")).withPuts(2),
			botocore: tries(none, none).withPuts(2),
		},
		{
			name: "401 for one GET", faults: []string{`{"match":{"methods":["GET"]},"status":401,` + once + `}`},
			goV2:     tries(ok.within(0, 4), ok).withPuts(2),
			js:       tries(failed(""), ok).withPuts(2),
			botocore: tries(none, ok).withPuts(2),
		},
	}
}

// credentialRows are about answers of a status or none for the role's document.
func credentialRows() []faultRow {
	var rows []faultRow
	for _, status := range []string{"503", "500", "429"} {
		rows = append(rows,
			faultRow{
				name: "credentials " + status + " once", faults: []string{onCredentials(`"status":`+status, once)},
				goV2: tries(ok.within(0.3, 4), ok), js: tries(failed(""), ok), botocore: tries(none, ok),
			},
			faultRow{
				name: "credentials " + status, faults: []string{onCredentials(`"status":` + status)},
				goV2: tries(failed(status).within(1, 6), failed(status).within(1, 6)),
				js:   tries(failed(""), failed("")), botocore: tries(none, none),
			})
	}
	return append(rows,
		faultRow{
			name: "credentials reset once", faults: []string{onCredentials(`"reset":true`, once)},
			goV2: tries(ok.within(0, 4), ok), js: tries(failed(""), ok), botocore: tries(none, ok),
		},
		faultRow{
			name: "credentials reset", faults: []string{onCredentials(`"reset":true`)},
			goV2: tries(failed("reset").within(0, 6), failed("reset").within(0, 6)),
			js:   tries(failed(""), failed("")), botocore: tries(none, none),
		},
		faultRow{
			name: "credentials unanswered", faults: []string{onCredentials(`"hang":true`)},
			goV2:     tries(failed("").within(2.5, 7), failed("").within(2.5, 7)),
			js:       tries(failed("TimeoutError").within(0.9, 3), failed("TimeoutError").within(0.9, 3)),
			botocore: tries(none.within(0.9, 3), none.within(0.9, 3)),
		},
		faultRow{
			name: "credentials redirected", faults: []string{onCredentials(`"redirect":true`)},
			goV2: tries(failed("302"), failed("302")), js: tries(failed(""), failed("")), botocore: tries(none, none),
		},
		faultRow{
			name: "refresh fails", faults: []string{
				onCredentials(`"credentials":{"expires_in":"26m"}`, once), onCredentials(`"status":503`),
			},
			js:       tries(ok.until(25, 27), ok.until(4, 11)).with("2", "1320"),                         // 22 minutes on; the expiry is extended
			botocore: tries(ok.until(25, 27), failed("CredentialRetrievalError")).with("refresh", "720"), // 14 minutes ahead of the expiry
		},
		faultRow{
			name: "refresh fails after the expiry", faults: []string{
				onCredentials(`"credentials":{"expires_in":"2s"}`, once), onCredentials(`"status":503`),
			},
			goV2: tries(ok.until(0, 0.1), ok.within(1, 6).until(4.5, 15.5)).with("-cached", "-pause=3s"), // the expiry is extended
		},
	)
}

// bodyRows are about the body of the role's document.
func bodyRows(length int) []faultRow {
	const whole = 6 * time.Second
	return []faultRow{
		{
			name: "credentials in 6 s, byte by byte", faults: []string{dripping(length, whole)},
			goV2:     tries(failed("").within(4, 8), failed("").within(4, 8)),
			js:       tries(ok.within(4, 25), ok.within(4, 25)), // the limit is for silence
			botocore: tries(ok.within(4, 25), ok.within(4, 25)),
		},
		{
			name: "credentials in 6 s, with a deadline of the caller's", faults: []string{dripping(length, whole)},
			goV2: tries(ok.within(4, 25), ok.within(4, 25)).with("-deadline=30s"),
		},
		{
			name: "credentials stalled", faults: []string{onCredentials(`"stall":50`)},
			goV2:     tries(failed("").within(4, 8), failed("").within(4, 8)),
			js:       tries(failed("TimeoutError").within(0.9, 3), failed("TimeoutError").within(0.9, 3)),
			botocore: tries(none.within(0.9, 3), none.within(0.9, 3)),
		},
		{
			name: "credentials stalled, with a deadline of the caller's", faults: []string{onCredentials(`"stall":50`)},
			goV2: tries(failed("").within(6, 11)).with("-deadline=7s", "-tries=1"),
		},
		{
			name: "credentials cut", faults: []string{onCredentials(`"cut":50`)},
			goV2:     tries(failed("read response body failed"), failed("read response body failed")), // not retried
			js:       tries(outcome{result: "pending", min: 19, max: 25}).with("1"),
			botocore: tries(none, none),
		},
		{
			name: "credentials truncated", faults: []string{onCredentials(`"truncate":50`)},
			goV2:     tries(failed("decode"), failed("decode")),
			js:       tries(failed("SyntaxError").stopping(), failed("SyntaxError").stopping()),
			botocore: tries(none, none),
		},
		{
			name: "credentials empty", faults: []string{onCredentials(`"body":"empty"`)},
			goV2:     tries(failed("decode"), failed("decode")),
			js:       tries(failed("SyntaxError").stopping(), failed("SyntaxError").stopping()),
			botocore: tries(none, none),
		},
		{
			name: "credentials HTML", faults: []string{onCredentials(`"body":"html"`)},
			goV2:     tries(failed("decode"), failed("decode")),
			js:       tries(failed("SyntaxError").stopping(), failed("SyntaxError").stopping()),
			botocore: tries(none, none),
		},
		{
			name: "credentials with an error code", faults: []string{onCredentials(`"credentials":{"code":"AssumeRoleUnauthorizedAccess"}`)},
			goV2:     tries(failed("AssumeRoleUnauthorizedAccess"), failed("AssumeRoleUnauthorizedAccess")),
			js:       tries(failed("Invalid response"), failed("Invalid response")),
			botocore: tries(none, none),
		},
		{
			name: "role list empty", faults: []string{onPath("meta-data/iam/security-credentials", "GET", `"body":"empty"`)},
			goV2:     tries(failed("empty"), failed("empty")),
			js:       tries(failed("SyntaxError").stopping(), failed("SyntaxError").stopping()), // it asks for the listing as if that were a role
			botocore: tries(none, none),
		},
		{
			name: "credentials expired", faults: []string{onCredentials(`"credentials":{"expired":true}`)},
			goV2:     tries(ok.withMadeUpKey().until(-1e6, 0), ok.withMadeUpKey().until(-1e6, 0)),
			js:       tries(ok.withMadeUpKey().until(4, 11), ok.withMadeUpKey().until(4, 11)),
			botocore: tries(ok.withMadeUpKey().until(16, 26), ok.withMadeUpKey().until(16, 26)),
		},
		{
			name: "credentials with 4 minutes left", faults: []string{onCredentials(`"credentials":{"expires_in":"4m"}`)},
			goV2:     tries(ok.until(3, 5), ok.until(3, 5)),
			js:       tries(ok.until(3, 5), ok.until(3, 5)),
			botocore: tries(ok.until(16, 26), ok.until(16, 26)),
		},
		{
			name: "credentials with 11 minutes left", faults: []string{onCredentials(`"credentials":{"expires_in":"11m"}`)},
			goV2:     tries(ok.until(10, 12), ok.until(10, 12)),
			js:       tries(ok.until(10, 12), ok.until(10, 12)),
			botocore: tries(ok.until(16, 26), ok.until(16, 26)),
		},
	}
}
