package why_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/projection/why"
)

var update = flag.Bool("update", false, "write the checks' chapter of the guide anew")

// The page that tells of all checks, and where in it they stand.
const (
	page  = "../../../docs/guide/troubleshooting.md"
	begin = "<!-- made from the checks: go test ./internal/projection/why -update -->\n"
	end   = "<!-- end of the checks -->\n"
)

// TestPage holds the guide to the checks that there are.
func TestPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), begin)
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		t.Fatalf("%s doesn't have the lines between which the checks stand", page)
	}
	var b strings.Builder
	for _, c := range why.Checks() {
		fmt.Fprintf(&b, "\n### %d. %s\n\n`%s`. %s\n\n- **Known by**: %s\n- **Mend**: %s\n", c.Number, c.Title, c.Name, c.Shows, c.Known, c.Mend)
	}
	want := before + begin + b.String() + "\n" + end + after
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s isn't what the checks say: go test ./internal/projection/why -update", page)
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
