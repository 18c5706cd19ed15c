package tasks

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// BadCommand finds containers whose command can't be run.
var BadCommand = finding.Check{
	Number: 15, Name: "bad-command", Title: "The command isn't there, or isn't for this machine",
	Shows: "Tasks stop with CannotStartContainerError, or with exit code 126 or 127.",
	Known: "What the engine or the shell said when it tried to run the command.",
	Mend:  "Correct command or entryPoint, make the file executable, or build the image for this machine's architecture.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, badCommand) },
}

var (
	otherMachine  = regexp.MustCompile(`(?i)exec format error`)
	noCommand     = regexp.MustCompile(`(?i)executable file not found|no such file or directory|: not found|command not found`)
	notExecutable = regexp.MustCompile(`(?i)permission denied`)
)

// notACommand says that the container's end is about its command.
func notACommand(f failure) bool {
	c := f.container
	if c == nil {
		return false
	}
	if starts := strings.HasPrefix(c.Reason, "CannotStartContainerError") || strings.HasPrefix(c.Reason, "CannotCreateContainerError"); starts {
		return otherMachine.MatchString(c.Reason) || noCommand.MatchString(c.Reason) || notExecutable.MatchString(c.Reason)
	}
	return c.ExitCode != nil && (*c.ExitCode == 126 || *c.ExitCode == 127)
}

func badCommand(s *snapshot.Snapshot, f failure) (finding.Finding, bool) {
	if !notACommand(f) {
		return finding.Finding{}, false
	}
	c := f.container
	text := c.Reason + " " + strings.Join(f.remains.Lines, " ")
	d, _ := s.Definition(f.task, c.Name)
	command := strings.TrimSpace(strings.Join(append(d.EntryPoint, d.Command...), " "))
	if command == "" {
		command = "the image's own command"
	}
	switch {
	case otherMachine.MatchString(text):
		is := f.finding(s, "format/"+c.Name, fmt.Sprintf("image %s of %s is for another architecture than this machine's", c.Image, f.who()))
		is.Mend = []finding.Mend{finding.Change("build the image for this machine: docker build --platform linux/amd64, or arm64, as uname -m says")}
		return is, true
	case c.ExitCode != nil && *c.ExitCode == 126, notExecutable.MatchString(c.Reason):
		is := f.finding(s, "executable/"+c.Name, fmt.Sprintf("%s can't run %s: the file isn't executable", f.who(), command))
		is.Mend = []finding.Mend{finding.Change("chmod +x the file in the Dockerfile")}
		return is, true
	}
	is := f.finding(s, "command/"+c.Name, fmt.Sprintf("%s can't run %s: image %s has no such file", f.who(), command, c.Image))
	is.Mend = []finding.Mend{finding.Change("correct command and entryPoint in the definition, or CMD and ENTRYPOINT in the Dockerfile; a script's first line may name an interpreter that isn't there")}
	return is, true
}
