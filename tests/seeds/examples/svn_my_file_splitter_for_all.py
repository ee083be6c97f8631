# Text 002, BRANCHNAME/PROJECT/FILEPATH repositories.
return dict(project=projectname, branch=branch, path='/'.join(pieces))
