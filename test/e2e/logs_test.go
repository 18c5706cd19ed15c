package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// events are all events of a log group.
func (s *skylift) events(t *testing.T, group string) (all []logstypes.FilteredLogEvent) {
	t.Helper()
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(s.clients().logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group})
	for pages.HasMorePages() {
		all = append(all, must(pages.NextPage(t.Context()))(t).Events...)
	}
	return all
}

// TestLogsAtOnce sees a task's output while it runs.
func TestLogsAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	image := s.push(t, "app", "latest", "SITE=app", "LINES=10", "EVERY=500ms")
	s.cluster(t, "default")
	s.runTask(t, s.define(t, "app", image, s.logged(t, "/e2e/app")))
	for i := range 10 {
		line := fmt.Sprintf("line %d", i)
		var seen time.Time
		var event logstypes.FilteredLogEvent
		waitFor(t, time.Minute, line, func() error {
			for _, event = range s.events(t, "/e2e/app") {
				if *event.Message == line {
					seen = time.Now()
					return nil
				}
			}
			return fmt.Errorf("not among the events")
		})
		if late := seen.Sub(time.UnixMilli(*event.Timestamp)); late > 2*time.Second {
			t.Errorf("%s was seen %v after it was written", line, late)
		}
	}
}

// TestLogsOverCrashes kills Skylift while a task writes: every line is there
// once.
func TestLogsOverCrashes(t *testing.T) {
	t.Parallel()
	const lines = 1500
	s := start(t)
	image := s.push(t, "app", "latest", fmt.Sprintf("LINES=%d", lines), "EVERY=4ms", "EXIT=0")
	s.cluster(t, "default")
	arn := s.runTask(t, s.define(t, "app", image, s.logged(t, "/e2e/app")))
	for _, n := range []int{100, 600} {
		waitFor(t, time.Minute, "lines to come", func() error {
			if got := len(s.events(t, "/e2e/app")); got < n {
				return fmt.Errorf("%d lines", got)
			}
			return nil
		})
		s.kill9(t)
		s.restart(t)
	}
	s.reaches(t, arn, "STOPPED")
	seen := map[string]int{}
	var order []string
	for _, e := range s.events(t, "/e2e/app") {
		if strings.HasPrefix(*e.Message, "line ") {
			seen[*e.Message]++
			order = append(order, *e.Message)
		}
	}
	for i := range lines {
		if line := fmt.Sprintf("line %d", i); seen[line] != 1 {
			t.Fatalf("%s is there %d times, among %d lines", line, seen[line], len(order))
		} else if order[i] != line {
			t.Fatalf("%s is where %s belongs", order[i], line)
		}
	}
}
