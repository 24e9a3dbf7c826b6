package system_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"homebase/system"
)

func TestReady_TellsWhichCheckFailsOnlyToWhoMayRead(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	rm := start(t, func(s *system.Setup) {
		s.Checks = []system.Check{
			{Name: "database", Run: s.DB.Ping},
			{Name: "disk", Run: func(context.Context) error {
				if broken.Load() {
					return errors.New("the secret path /data is gone")
				}
				return nil
			}},
			{Name: "notifications", Run: s.DB.Listener().Heard},
		}
	})
	if body := string(rm.Client(t).Do("GET", "/system/ready", nil).Want(t, 200).Body); strings.TrimSpace(body) != `{"status":"ready"}` {
		t.Errorf("a stranger reads %s", body)
	}
	if body := string(rm.admin.Do("GET", "/system/ready", nil).Want(t, 200).Body); !strings.Contains(body, `["database","disk","notifications"]`) {
		t.Errorf("the admin reads %s", body)
	}
	broken.Store(true)
	stranger := rm.Client(t).Do("GET", "/system/ready", nil).WantProblem(t, 503, "not_ready")
	admin := rm.admin.Do("GET", "/system/ready", nil).WantProblem(t, 503, "not_ready")
	if strings.Contains(stranger.Detail, "disk") || !strings.Contains(admin.Detail, "Failing: disk.") || strings.Contains(admin.Detail, "/data") {
		t.Errorf("a stranger reads %q, the admin %q", stranger.Detail, admin.Detail)
	}
	rm.Client(t).Do("GET", "/system/health", nil).Want(t, http.StatusOK)
}
