package daemon

import "testing"

func TestProcessesShort(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, load, pids, threads, want string
	}{
		{"enough", "0.20 0.18 0.12 1/280 11206\n", "32768\n", "192729\n", ""},
		{"pid_max", "9.20 0.18 0.12 4/28700 11206\n", "32768\n", "192729\n", "the machine has 28700 processes and threads, and its kernel allows 32768: raise kernel.pid_max, or stop what has so many"},
		{"threads-max", "9.20 0.18 0.12 4/28700 11206\n", "4194304\n", "30000\n", "the machine has 28700 processes and threads, and its kernel allows 30000: raise kernel.threads-max, or stop what has so many"},
		{"nobody knows", "", "", "", ""},
		{"nonsense", "0 0 0 x/y 1", "32768", "192729", ""},
	} {
		if got := processesShort(tc.load, tc.pids, tc.threads); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
