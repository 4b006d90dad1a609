"""Who plays the runs of a sweep: this process, others on this host, or a Ray cluster; the results are the same bits."""
