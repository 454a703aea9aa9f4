package sdkenv

import (
	"os/exec"
	"testing"
)

// TestQuotePOSIX_ShellReadsTheSameText has a shell read back each quoted text.
func TestQuotePOSIX_ShellReadsTheSameText(t *testing.T) {
	for _, text := range []string{"", "plain:/._-,@%", "a b", "it's", `"$HOME" \ $(x) ` + "`x`", "two\nlines", "#", "~", "*", "x;y&z|"} {
		t.Run(text, func(t *testing.T) {
			quoted := QuotePOSIX(text)
			out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s. "+quoted).Output()
			if err != nil || string(out) != text+"." {
				t.Errorf("sh reads %s as %q, %v; want %q", quoted, out, err, text)
			}
		})
	}
}

func TestShell_SetsAVariable(t *testing.T) {
	for _, tt := range []struct{ shell, value, want string }{
		{"posix", "it's", `export A='it'\''s'`},
		{"fish", `it's \n`, `set -gx A 'it\'s \\n'`},
		{"fish", "plain", "set -gx A plain"},
		{"powershell", "it's $x", "$Env:A = 'it''s $x'"},
		{"cmd", "a&b", `set "A=a&b"`},
	} {
		t.Run(tt.shell+" "+tt.value, func(t *testing.T) {
			sh, err := ShellNamed(tt.shell)
			if err != nil {
				t.Fatal(err)
			}
			if got := sh.set("A", tt.value); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
