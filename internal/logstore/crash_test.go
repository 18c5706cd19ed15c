package logstore

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

const crashDir = "LOGSTORE_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		shipForEver(dir)
	}
	os.Exit(m.Run())
}

// shipForEver appends numbered events from where the cursor stands, and says
// each number that was acknowledged.
func shipForEver(dir string) {
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	v, err := s.Cursor(context.Background(), "src")
	if err != nil {
		panic(err)
	}
	n, _ := strconv.Atoi(v)
	for {
		events := []Event{{Time: at(int64(n)), Text: fmt.Sprint(n)}, {Time: at(int64(n)), Text: fmt.Sprintf("%db", n)}}
		n++
		if err := s.Append(context.Background(), Stream{"g", "a"}, events, &Cursor{"src", strconv.Itoa(n)}); err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
}

func TestKillLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	dir, acked := t.TempDir(), 0
	for round := range 4 {
		acked = crash(t, dir, acked+50*(round+1))
	}
	s := openAt(t, dir)
	got, err := s.Read(t.Context(), Stream{"g", "a"}, Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) < 2*acked {
		t.Fatalf("%d events were acknowledged, %d are left", 2*acked, len(got))
	}
	for i, e := range got {
		want := fmt.Sprint(i / 2)
		if i%2 == 1 {
			want += "b"
		}
		if e.Text != want {
			t.Fatalf("event %d is %q, want %q", i, e.Text, want)
		}
	}
}

// crash runs a shipper until it acknowledged atLeast and kills it; it returns
// what was acknowledged.
func crash(t *testing.T, dir string, atLeast int) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acked := 0
	for sc := bufio.NewScanner(out); sc.Scan(); {
		if acked, err = strconv.Atoi(sc.Text()); err != nil {
			t.Fatalf("the shipper said %q", sc.Text())
		}
		if acked == atLeast {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait() // killed
	return acked
}
