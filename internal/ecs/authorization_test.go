package ecs

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	unauthorized = "401 Unauthorized"
	secretValue  = "s3cret value"

	missing = `{"code":"Unauthorized","message":"the Authorization header is missing; give the client a file with the value of ` +
		`ecs.authorization_file, and its path in AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE (boto3 before 1.32: the value itself in AWS_CONTAINER_AUTHORIZATION_TOKEN)","HTTPErrorCode":401}`
	wrong = `{"code":"Unauthorized","message":"the Authorization header is not the value of ecs.authorization_file; compare it with ` +
		`the file that the client's AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names","HTTPErrorCode":401}`
	withBearer = `{"code":"Unauthorized","message":"the Authorization header has \"Bearer \" before the value of ecs.authorization_file; ` +
		`remove \"Bearer \" from the file that the client's AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names","HTTPErrorCode":401}`
)

// guarded is a service that asks for an Authorization.
func guarded(f Finder) always {
	return always{&Service{Authorization: NewAuthorization(secretValue, "ecs.authorization_file"), ByPath: true, Finder: f}}
}

func TestHandler_AsksForTheAuthorization(t *testing.T) {
	get := "GET /v2/credentials/" + id + "\nAuthorization: "
	runRequests(t, guarded(&paths{byID: only(valid())}), []requestTest{
		jsonTest("right", get+secretValue, ok, document),
		jsonTest("right, version 1", "GET /v1/credentials?id="+id+"\nauthorization: "+secretValue, ok, document),
		jsonTest("none", "GET /v2/credentials/"+id, unauthorized, missing),
		jsonTest("empty", get, unauthorized, missing),
		{"HEAD", "HEAD /v2/credentials/" + id, unauthorized, jsonOf(missing), ""},
		jsonTest("wrong", get+"other", unauthorized, wrong),
		jsonTest("beginning", get+secretValue[:5], unauthorized, wrong),
		jsonTest("longer", get+secretValue+"x", unauthorized, wrong),
		jsonTest("another case", get+strings.ToUpper(secretValue), unauthorized, wrong),
		jsonTest("twice", get+secretValue+"\nAuthorization: "+secretValue, unauthorized, wrong),
		jsonTest("Bearer and right", get+"Bearer "+secretValue, unauthorized, withBearer),
		jsonTest("bearer and right", get+"bearer "+secretValue, unauthorized, withBearer),
		jsonTest("Bearer and wrong", get+"Bearer x", unauthorized, wrong),
		jsonTest("only Bearer", get+"Bearer", unauthorized, wrong),
	})
}

func TestHandler_ChecksTheAuthorizationBetweenRows1And3(t *testing.T) {
	allow := pageOf("Method Not Allowed\n")
	allow["Allow"] = []string{"GET, HEAD"}
	runRequests(t, guarded(&paths{byID: only(valid())}), []requestTest{
		jsonTest("no id", "GET /v2/credentials/", bad, textOf(2, noID)),
		jsonTest("no id, version 1", "GET /v1/credentials?id=", bad, textOf(1, noID)),
		jsonTest("unknown id", "GET /v2/credentials/nobody", unauthorized, missing),
		jsonTest("unknown id, right", "GET /v2/credentials/nobody\nAuthorization: "+secretValue, bad, textOf(2, unknownID)),
		jsonTest("by path", "GET /role/web", unauthorized, missing),
		jsonTest("unknown by path", "GET /role/nobody", unauthorized, missing),
		pageTest("another path", "GET /x", absent, absentPage),
		{"POST", "POST /v2/credentials/" + id, "405 Method Not Allowed", allow, "Method Not Allowed\n"},
	})
}

func TestAuthorization_IsNeverShown(t *testing.T) {
	var out bytes.Buffer
	a := NewAuthorization(secretValue, "ecs.authorization_file")
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Info("x", "authorization", a, "service", guarded(nil).service)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		fmt.Fprintf(&out, verb, a)
		fmt.Fprintf(&out, verb, *a)
	}
	for _, header := range []string{"", "Bearer " + secretValue, secretValue + "x", secretValue} {
		r := httptest.NewRequest(http.MethodGet, "/v2/credentials/"+id, nil)
		r.Header.Set("Authorization", header)
		NewHandler(log, guarded(&byID{}))(httptest.NewRecorder(), r)
	}
	sum := fmt.Sprintf("%x", a.sum[:4])
	if shown := out.String(); strings.Contains(shown, secretValue) || strings.Contains(shown, sum) || strings.Contains(shown, fmt.Sprint(a.sum[0], a.sum[1])) {
		t.Errorf("it is shown: %s", shown)
	}
	if want := `reason="the Authorization header has \"Bearer \" before`; !strings.Contains(out.String(), want) {
		t.Errorf("logged %s, want %s", out.String(), want)
	}
}
