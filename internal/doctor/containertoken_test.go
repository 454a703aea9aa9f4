package doctor

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// jwt is a token with these claims, and the signature of nobody.
func jwt(claims string) string {
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".hunter2hunter2"
}

func TestContainerToken_SaysWhatIsWrong(t *testing.T) {
	const (
		file   = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names a file with "
		value  = "AWS_CONTAINER_AUTHORIZATION_TOKEN has "
		create = "kubectl create token NAME --audience pods.eks.amazonaws.com"
		other  = "a token for another audience than pods.eks.amazonaws.com, which EKS Pod Identity refuses; write one for it: " + create
		noJWT  = "a token that is no JWT, which EKS Pod Identity refuses; write a service account's: " + create
		bearer = `"Bearer " before the token, which SDKs send too, and EKS Pod Identity refuses; write the token alone, unless the service asks for "Bearer "`
		lines  = `the end of a line in it, which SDKs refuse; write it without: (umask 077; tr -d '\r\n' <{file} >{file}.new) && mv {file}.new {file}`
		bytes  = "control bytes in it, which SDKs refuse; write the token anew"
	)
	good := jwt(`{"aud":["pods.eks.amazonaws.com"],"exp":1796000000.5,"nbf":1700000000}`)
	for _, tt := range []struct {
		name  string
		token string
		pods  bool
		// value puts the token into AWS_CONTAINER_AUTHORIZATION_TOKEN.
		value bool
		want  []string // {file} stands for its name
	}{
		{name: "any", token: "hunter2"},
		{name: "spaces around", token: " hunter2 "},
		{name: "right", token: good, pods: true},
		{name: "right in the variable", token: good, pods: true, value: true},
		{name: "audience alone", token: jwt(`{"aud":"pods.eks.amazonaws.com"}`), pods: true},
		{name: "empty", want: []string{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names an empty file, so that clients send no token; write it there, or unset the variable"}},
		{name: "LF", token: "hunter2\n", want: []string{file + lines}},
		{name: "CRLF", token: good + "\r\n", pods: true, want: []string{file + lines}},
		{name: "line end in the variable", token: "hunter2\n", value: true, want: []string{value + "the end of a line in it, which SDKs refuse; set it without"}},
		{name: "control bytes", token: "hunter2\x00", want: []string{file + bytes}},
		{name: "DEL in the variable", token: "hunt\x7fer2", value: true, want: []string{value + bytes}},
		{name: "tab", token: "hunter2\thunter2"},
		{name: "Bearer", token: "Bearer hunter2", want: []string{file + bearer}},
		{name: "bearer with a right one", token: "bearer " + good, pods: true, value: true, want: []string{value + bearer}},
		{name: "Bearer alone", token: "Bearer"},
		{name: "expired", token: jwt(`{"exp":1700000000}`), want: []string{file + "a token that has expired; write a new one"}},
		{name: "expires now", token: jwt(`{"exp":1795953600}`), value: true, want: []string{value + "a token that has expired; write a new one"}},
		{name: "expires in a second", token: jwt(`{"exp":1795953601}`)},
		{
			name: "expired at Pod Identity", token: jwt(`{"aud":["a","pods.eks.amazonaws.com"],"exp":1700000000}`), pods: true,
			want: []string{file + "a token that has expired; write a new one: " + create},
		},
		{name: "not valid yet", token: jwt(`{"nbf":1796000000}`), want: []string{file + "a token that is not valid yet; set this machine's clock"}},
		{name: "another audience", token: jwt(`{"aud":["sts.amazonaws.com"]}`), pods: true, want: []string{file + other}},
		{name: "another audience elsewhere", token: jwt(`{"aud":["sts.amazonaws.com"]}`)},
		{name: "no audience", token: jwt(`{}`), pods: true, want: []string{file + other}},
		{name: "no JWT", token: "hunter2", pods: true, want: []string{file + noJWT}},
		{name: "no JSON in it", token: "a.hunter2.c", pods: true, want: []string{file + noJWT}},
		{name: "no base64 in it", token: "a.!.c", pods: true, want: []string{file + noJWT}},
		{
			name: "all at once", token: "Bearer " + jwt(`{"aud":"hunter2","exp":1}`) + "\x01\n", pods: true,
			want: []string{file + lines, file + bytes, file + bearer, file + "a token that has expired; write a new one: " + create, file + other},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "token")
			environ, want := []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1/x"}, []string{}
			if tt.pods {
				environ = []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + podIdentity}
				want = append(want, "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to 169.254.170.23"+debian12+"newer ones there, or 169.254.170.2 (ecs.enabled)")
			}
			if tt.value {
				environ = append(environ, "AWS_CONTAINER_AUTHORIZATION_TOKEN="+tt.token)
			} else {
				environ = append(environ, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="+testutil.Write(t, path, tt.token))
			}
			for _, line := range tt.want {
				want = append(want, strings.ReplaceAll(line, "{file}", path))
			}
			got := environmentOf(t, environ...)
			expectNotes(t, got, append(want, preferFull)...)
			if strings.Contains(got.Text, "hunter2") {
				t.Error("the token shows")
			}
		})
	}
}

func TestContainerToken_IsOnlyReadFromAFile(t *testing.T) {
	dir := t.TempDir()
	const uri, variable = "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	unread := func(path, why, remedy string) string {
		return variable + ": " + path + " cannot be read (" + why + "), and SDKs fail without it; " + remedy
	}
	const write = "write the token there, or unset the variable"
	for _, tt := range []struct{ name, path, why, remedy string }{
		{"missing", filepath.Join(dir, "none"), "no such file or directory", write},
		{"directory", dir, "it is no regular file", write},
		{"device", "/dev/zero", "it is no regular file", write},
		{"name of a file below a file", testutil.Write(t, filepath.Join(dir, "file"), "x") + "/token", "not a directory", "let your user read it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expectNotes(t, environmentOf(t, uri, variable+"="+tt.path), unread(tt.path, tt.why, tt.remedy), preferFull)
		})
	}
	t.Run("no right", func(t *testing.T) {
		if os.Geteuid() == 0 {
			expectNotes(t, Finding{Mark: Note, Text: unreadableToken("/x", &os.PathError{Err: os.ErrPermission})}, unread("/x", "permission denied", "let your user read it"))
			return
		}
		path := testutil.Write(t, filepath.Join(dir, "secret"), "hunter2")
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		expectNotes(t, environmentOf(t, uri, variable+"="+path), unread(path, "permission denied", "let your user read it"), preferFull)
	})
}

func TestContainerToken_InBothPlacesDependsOnTheSDK(t *testing.T) {
	file := testutil.WriteTemp(t, "token", "hunter2")
	expectNotes(t, environmentOf(t, "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1/x",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="+file, "AWS_CONTAINER_AUTHORIZATION_TOKEN=hunter3\n"),
		"AWS_CONTAINER_AUTHORIZATION_TOKEN is set beside AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: the SDK for Java sends the variable, others send the file; unset one of them",
		preferFull)
}
