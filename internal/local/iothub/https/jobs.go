package https

import (
	"encoding/json"
	"net/http"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/jobs"
)

// putJob takes a job that updates twins or calls methods.
func (f *front) putJob(r *request) error {
	var wanted jobs.Request
	if err := r.decode(&wanted); err != nil {
		return err
	}
	id := r.PathValue("job")
	if wanted.ID == "" {
		wanted.ID = id
	}
	if wanted.ID != id {
		return invalid("the body is about job %q, the path about %q", wanted.ID, id)
	}
	return f.aboutJob(r, func(string) (jobs.Job, error) { return f.jobs.Create(wanted) })
}

func (f *front) getJob(r *request) error { return f.aboutJob(r, f.jobs.Get) }

func (f *front) cancelJob(r *request) error { return f.aboutJob(r, f.jobs.Cancel) }

// aboutJob does something with the job of the path, and answers with it.
func (f *front) aboutJob(r *request, what func(id string) (jobs.Job, error)) error {
	if err := f.hub.Admit(iothub.OpJob, 0); err != nil {
		return err
	}
	job, err := what(r.PathValue("job"))
	if err != nil {
		return err
	}
	reply(r.w, http.StatusOK, job)
	return nil
}

// queryJobs lists jobs: ?jobType=&jobStatus=. The continuation is the id of the last one.
func (f *front) queryJobs(r *request) error {
	size, err := pageSize(r)
	if err == nil {
		err = f.hub.Admit(iothub.OpJob, 0)
	}
	if err != nil {
		return err
	}
	page, more := f.jobs.List(r.URL.Query().Get("jobType"), r.URL.Query().Get("jobStatus"), r.Header.Get("x-ms-continuation"), size)
	r.w.Header()["x-ms-item-type"] = []string{"JobResponse"}
	if more {
		r.w.Header()["x-ms-continuation"] = []string{page[len(page)-1].ID}
	}
	reply(r.w, http.StatusOK, page)
	return nil
}

// createBulkJob takes an export or an import. They are there on all tiers (read), so they count as what the registry does.
func (f *front) createBulkJob(r *request) error {
	var wanted jobs.Bulk
	if err := json.Unmarshal(r.body, &wanted); err != nil {
		return invalid("the body of the request is not what it should be") // the error may quote a signature
	}
	return f.aboutBulk(r, func(string) (jobs.Bulk, error) { return f.jobs.CreateBulk(wanted) })
}

func (f *front) getBulkJob(r *request) error { return f.aboutBulk(r, f.jobs.GetBulk) }

func (f *front) aboutBulk(r *request, what func(id string) (jobs.Bulk, error)) error {
	if err := f.hub.Admit(iothub.OpRegistry, 0); err != nil {
		return err
	}
	job, err := what(r.PathValue("job"))
	if err != nil {
		return err
	}
	reply(r.w, http.StatusOK, job)
	return nil
}

func (f *front) listBulkJobs(r *request) error {
	if err := f.hub.Admit(iothub.OpRegistry, 0); err != nil {
		return err
	}
	reply(r.w, http.StatusOK, f.jobs.ListBulk())
	return nil
}

func (f *front) cancelBulkJob(r *request) error {
	err := f.hub.Admit(iothub.OpRegistry, 0)
	if err == nil {
		err = f.jobs.CancelBulk(r.PathValue("job"))
	}
	if err == nil {
		answer(r.w, http.StatusNoContent, nil)
	}
	return err
}
