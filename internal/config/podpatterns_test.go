package config

import (
	"strings"
	"testing"
)

// IsRoleARN takes what credentials.iam_role takes, but for names that are dots.
func FuzzIsRoleARN(f *testing.F) {
	for _, text := range []string{
		"arn:aws:iam::123456789012:role/web", "arn:aws-cn:iam::1:role/a/b/web", "arn:aws:iam::123456789012:role/", "arn:aws:iam::123456789012:role//web",
		"arn:aws:iam::123456789012:role/..", "arn:aws:iam::x:role/web", "arn:aws:iam:::role/web", "arn:9aws:iam::1:role/web", "arn:-a:iam::1:role/web-web",
		"arn:a:iam::1:role/w", "arn:aws:iam::1:user/web", "arn:aws:iam::1:role/:role/web", "arn:aws:iam::1:role/é/web", "arn:aws:iam::1:role/w b", "arn:a:b:iam::1:role/webweb",
		"arn:aws:iam::1:role/" + strings.Repeat("x", 65), "arn:aws:iam::1:role/" + strings.Repeat("x/", 1100) + "y", "arn:aws:iam::1:role/a\nb", "",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name := text[strings.LastIndexByte(text, '/')+1:]
		want := wholeRoleARN(text) == "" && strings.Trim(name, ".") != ""
		if got := IsRoleARN(text); got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
	})
}
