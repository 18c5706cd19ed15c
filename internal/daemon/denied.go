package daemon

import (
	"net/http"

	"github.com/skylift/skylift/internal/gateway/denial"
)

// DeniedPath is where `skylift why denied` asks: the query has the request's id.
const DeniedPath = "/skylift/v1/denied"

// refusalsDir is where in the data directory the calls are that policy denied last.
const refusalsDir = "refusals"

// noteRefused keeps a call that policy denied.
func (m *machine) noteRefused(r denial.Refusal) {
	if err := m.refusals.Add(r); err != nil {
		m.Log.Warn("a denied call is not kept for skylift why denied", "key", r.Request, "err", err)
	}
}

// tellDenied answers which policy denied a request.
func (m *machine) tellDenied(w http.ResponseWriter, r *http.Request) {
	request := r.URL.Query().Get("request")
	found, ok, err := m.refusals.Find(request)
	if err == nil && !ok {
		http.Error(w, "policy denied no such request, or it is too long ago: the last few thousand refusals are kept", http.StatusNotFound)
		return
	}
	m.answer(w, "denied", found, err)
}
