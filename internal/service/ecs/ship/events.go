package ship

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/logstore"
)

// eventAge is how long an event of several lines waits for its next one, as in
// the awslogs driver.
const eventAge = 5 * time.Second

// directives are what strftime's directives look like in a log.
// https://docs.docker.com/engine/logging/drivers/awslogs/#awslogs-datetime-format
var directives = map[string]string{
	"%a": `(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)`,
	"%A": `(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)`,
	"%w": `[0-6]`,
	"%d": `(?:0[1-9]|[12][0-9]|3[01])`,
	"%b": `(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)`,
	"%B": `(?:January|February|March|April|May|June|July|August|September|October|November|December)`,
	"%m": `(?:0[1-9]|1[0-2])`,
	"%Y": `\d{4}`,
	"%y": `\d{2}`,
	"%H": `(?:[01][0-9]|2[0-3])`,
	"%I": `(?:0[0-9]|1[0-2])`,
	"%p": `[AP]M`,
	"%M": `[0-5][0-9]`,
	"%S": `[0-5][0-9]`,
	"%f": `\d{6}`,
	"%z": `[+-]\d{4}`,
	"%Z": `[A-Z]{1,4}T`,
	"%j": `(?:[0-2][0-9][0-9]|3[0-5][0-9]|36[0-6])`,
	"%L": `\.\d{3}`,
}

var directive = regexp.MustCompile(`%[A-Za-z]`)

// Datetime makes the pattern of an event's first line from the option
// awslogs-datetime-format. What is around the directives is a pattern itself.
func Datetime(format string) string {
	return directive.ReplaceAllStringFunc(format, func(d string) string {
		if pattern, ok := directives[d]; ok {
			return pattern
		}
		return d
	})
}

var sizeForm = regexp.MustCompile(`(?i)^(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?$`)

// Size reads a size as the option max-buffer-size has it: 10m is 10 MiB. What
// isn't one is 0.
func Size(s string) int64 {
	m := sizeForm.FindStringSubmatch(s)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(m[1], 64) // the form is a number's
	return int64(n * float64(int64(1)<<(10*strings.Index("bkmgtp", cmp.Or(strings.ToLower(m[2]), "b")))))
}

// assembler makes events of lines. Without a pattern each is one; else an event
// begins with each line that has the pattern.
type assembler struct {
	first   *regexp.Regexp
	pending []byte    // the event that isn't complete
	began   time.Time // time of its first line
	last    time.Time // and of its last
	since   time.Time // when it began to wait
}

// shipment is what can be stored now: events, and the time of the last line in
// them.
type shipment struct {
	events []logstore.Event
	cursor time.Time
}

// add takes lines.
func (a *assembler) add(lines []engine.Line, now time.Time) (s shipment) {
	if a.first == nil {
		return shipment{toEvents(lines), lines[len(lines)-1].Time}
	}
	for _, l := range lines {
		// Of a line that is the first of an event, or too long for the one before,
		// it is known that that one is complete.
		if len(a.pending) > 0 && (a.first.MatchString(l.Text) || len(a.pending)+len(l.Text) > engine.MaxLine) {
			a.flush(&s)
		}
		if len(a.pending) == 0 {
			a.began, a.since = l.Time, now
		}
		a.pending = append(append(a.pending, l.Text...), '\n')
		a.last = l.Time
	}
	if len(a.pending) > 0 && a.due(now) <= 0 {
		a.flush(&s)
	}
	return s
}

// due is how long the event that isn't complete may still wait.
func (a *assembler) due(now time.Time) time.Duration { return a.since.Add(eventAge).Sub(now) }

// timer fires when an event has waited for long enough.
func (a *assembler) timer() <-chan time.Time {
	if len(a.pending) == 0 {
		return nil
	}
	return time.After(max(0, a.due(time.Now())))
}

// flush completes the event.
func (a *assembler) flush(s *shipment) {
	if len(a.pending) == 0 {
		return
	}
	s.events = append(s.events, toEvents([]engine.Line{{Time: a.began, Text: string(a.pending)}})...)
	s.cursor = a.last
	a.pending = a.pending[:0]
}
