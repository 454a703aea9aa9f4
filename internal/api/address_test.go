package api

import "testing"

func TestURL_IsReachableFromThisMachine(t *testing.T) {
	for _, tt := range []struct{ listen, want string }{
		{"127.0.0.1:5000", "http://127.0.0.1:5000/"},
		{"0.0.0.0:5000", "http://127.0.0.1:5000/"},
		{":5000", "http://127.0.0.1:5000/"},
		{"[::]:5000", "http://[::1]:5000/"},
		{"[fd00::1]:5000", "http://[fd00::1]:5000/"},
		{"localhost:5000", "http://localhost:5000/"},
		{"nonsense", "http://nonsense/"},
	} {
		t.Run(tt.listen, func(t *testing.T) {
			if got := URL(tt.listen); got != tt.want {
				t.Errorf("URL is %s, want %s", got, tt.want)
			}
			if got := StatusPage(tt.listen); got != tt.want+"status" {
				t.Errorf("status page is %s, want %sstatus", got, tt.want)
			}
		})
	}
}
